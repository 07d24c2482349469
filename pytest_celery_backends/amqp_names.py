"""The names of one namespace on a real AMQP broker, and what this process has made and holds there.

Celery gives queues and exchanges the names that it has in production; on the broker each has the namespace
before it, so that nothing of anybody else's has the same name. AMQP cannot list queues: what was declared is
remembered here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, replace
from threading import Condition, Lock
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

#: Prefix of the schemes of our URLs: ``namespaced-amqp://...`` and ``namespaced-amqps://...``.
PREFIX: Final = "namespaced-"
#: A queue that nobody uses is removed by the broker after so many milliseconds: the end of a killed run's.
IDLE_LIMIT: Final = 3_600_000


def namespaced_url(url: str, namespace: str) -> str:
    """The URL of a namespace, which is written behind the virtual host.

    >>> namespaced_url("amqp://guest:guest@localhost:5672//", "pcb_1")
    'namespaced-amqp://guest:guest@localhost:5672///pcb_1'
    >>> namespaced_url("amqps://localhost/shop?ssl_ca_certs=ca.pem", "pcb_1")
    'namespaced-amqps://localhost/shop/pcb_1?ssl_ca_certs=ca.pem'
    """
    parts = urlsplit(url)
    host = parts.path if len(parts.path) > 1 else "//"
    return urlunsplit(parts._replace(scheme=f"{PREFIX}{parts.scheme}", path=f"{host}/{namespace}"))


def is_namespaced(url: str) -> bool:
    """Whether a broker's URL leads to a namespace.

    >>> is_namespaced("namespaced-amqp://localhost///pcb_1"), is_namespaced("amqp://localhost//")
    (True, False)
    """
    return url.startswith(PREFIX)


def plain_url(url: str) -> tuple[str, str]:
    """The broker's own URL and the namespace in the URL of a namespace.

    >>> plain_url("namespaced-amqp://guest:guest@localhost:5672///pcb_1")
    ('amqp://guest:guest@localhost:5672//', 'pcb_1')
    """
    parts = urlsplit(url)
    path, _, namespace = parts.path.rpartition("/")
    return urlunsplit(parts._replace(scheme=parts.scheme.removeprefix(PREFIX), path=path)), namespace


def split_virtual_host(path: str) -> tuple[str, str]:
    """The virtual host and the namespace; raises ValueError where there is no namespace.

    >>> split_virtual_host("//pcb_1"), split_virtual_host("shop/pcb_1")
    (('/', 'pcb_1'), ('shop', 'pcb_1'))
    """
    host, slash, namespace = path.rpartition("/")
    if not slash or not namespace:
        raise ValueError(f"no namespace stands behind the virtual host {path!r}")
    return host or "/", namespace


@dataclass(frozen=True, kw_only=True)
class KnownQueue:
    """A queue that was declared.

    ``expires`` is how long it may be idle on the broker, in seconds, and ``asked`` what Celery asked for, which may
    be longer; None for no limit. ``is_bound`` to an exchange of its own choice.
    """

    name: str
    is_exclusive: bool
    goes_with_consumer: bool
    expires: float
    asked: float | None = None
    is_bound: bool = False

    @property
    def holds_replies(self) -> bool:
        """Whether it is one that results are sent to: by name, and it goes with the client that reads it."""
        return self.goes_with_consumer and not self.is_bound and not self.is_exclusive


class AmqpNames:
    """What one namespace is made of, and the messages that consumers of this process have in hand.

    >>> names = AmqpNames("pcb_1")
    >>> names.there("celery"), names.here("pcb_1.celery"), names.here("amq.gen-x")
    ('pcb_1.celery', 'celery', 'amq.gen-x')
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.queues: dict[str, KnownQueue] = {}
        self.exchanges: set[str] = set()
        self.deliveries = 0
        #: How many commands our channels have sent to all workers.
        self.commands = 0
        #: The results that our channels gave to the broker: task id and body.
        self.replies: list[tuple[str, bytes]] = []
        self._held: dict[Hashable, str] = {}
        self._changed = Condition(Lock())
        self._changes = 0

    @property
    def index(self) -> str:
        """The queue in which a run notes what it made, for a later run to remove if this one is killed."""
        return f"{self.namespace.rpartition('_')[0]}_index"

    def there(self, name: str) -> str:
        """A name as it is on the broker."""
        return f"{self.namespace}.{name}"

    def here(self, name: str) -> str:
        """A name as Celery knows it."""
        return name.removeprefix(f"{self.namespace}.")

    def arguments(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """A queue's arguments on the broker: names are the namespace's, and an idle queue is removed in time."""
        arguments = dict(given or {})
        if "x-dead-letter-exchange" in arguments:
            exchange = arguments["x-dead-letter-exchange"]
            arguments["x-dead-letter-exchange"] = self.there(exchange) if exchange else ""
            if not exchange and "x-dead-letter-routing-key" in arguments:
                key = arguments["x-dead-letter-routing-key"]
                arguments["x-dead-letter-routing-key"] = self.there(key)
        if arguments.get("x-queue-type") == "stream":
            return arguments  # has no such limit
        asked = arguments.get("x-expires")
        # what is no limit in RabbitMQ's eyes is for RabbitMQ to refuse
        is_shorter = isinstance(asked, int | float) and asked < IDLE_LIMIT
        return {**arguments, "x-expires": asked if is_shorter else IDLE_LIMIT}

    # -- what was made

    def declared(
        self, name: str, *, exclusive: bool, auto_delete: bool, expires: float, asked: float | None
    ) -> None:
        """Note a queue."""
        known = self.queues.get(name)
        self.queues[name] = KnownQueue(
            name=name,
            is_exclusive=exclusive,
            goes_with_consumer=auto_delete,
            expires=expires,
            asked=asked,
            is_bound=known is not None and known.is_bound,
        )

    def bound(self, name: str) -> None:
        """Note that a queue is bound to an exchange."""
        if name in self.queues:
            self.queues[name] = replace(self.queues[name], is_bound=True)

    def gone(self, name: str) -> None:
        """Forget a queue that the broker does not have any more."""
        self.queues.pop(name, None)

    # -- what is in hand

    def hold(self, key: Hashable, queue: str) -> None:
        """Note a message that was delivered and is to be acknowledged."""
        self._held[key] = queue
        self.deliveries += 1
        self.wake()

    def release(self, matches: Callable[[Any], bool]) -> None:
        """Forget the messages whose keys match: acknowledged, or lost with their channel."""
        for key in [key for key in list(self._held) if matches(key)]:
            self._held.pop(key, None)
        self.wake()

    def held(self, queues: Collection[str]) -> list[str]:
        """The queue of each message that is in hand, of these queues."""
        return [queue for queue in list(self._held.values()) if queue in queues]

    # -- who waits for a change

    @property
    def changes(self) -> int:
        """Counts what may interest a waiter; read it before looking, and give it to ``wait``."""
        return self._changes

    def wake(self) -> None:
        """Let every waiter look again."""
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def wait(self, seen: int, timeout: float | None) -> bool:
        """Block until ``changes`` is no longer *seen*, at most *timeout* seconds; whether it changed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._changes != seen, timeout)


_NAMES: Final[dict[str, AmqpNames]] = {}
_LOCK: Final = Lock()


def names_of(namespace: str) -> AmqpNames:
    """The names of a namespace in this process.

    >>> names_of("doc-example") is names_of("doc-example")
    True
    >>> forget_names("doc-example")
    True
    """
    with _LOCK:
        return _NAMES.setdefault(namespace, AmqpNames(namespace))


def forget_names(namespace: str) -> bool:
    """Forget a namespace that was dropped; whether it was the last one with its index."""
    with _LOCK:
        names = _NAMES.pop(namespace, None)
        return names is not None and all(other.index != names.index for other in _NAMES.values())
