"""The in-process broker's transport for kombu: nothing is polled, each virtual host is a broker of its own.

Messages pass through JSON as on kombu's redis transport, so that nothing is shared between the client
and the worker that production would not share.
"""

from __future__ import annotations

import time
import weakref
from itertools import count
from queue import Empty
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES, base, virtual
from kombu.utils.json import dumps, loads

from .vhost import VirtualHost, virtual_host

#: The scheme of the broker's URLs: ``in-process://localhost/<virtual host>``.
SCHEME: Final = "in-process"

_tags = count(1)


def broker_url(host: str) -> str:
    """The URL of a virtual host.

    >>> broker_url("run1")
    'in-process://localhost/run1'
    """
    return f"{SCHEME}://localhost/{host}"


class _QoS(virtual.QoS):  # type: ignore[misc]
    """Acknowledges at the virtual host, which wakes who waits for the window or for silence."""

    def ack(self, delivery_tag: Any) -> None:
        super().ack(delivery_tag)
        self.channel.host.ack(delivery_tag)
        self.channel.host.wake()

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        if requeue:
            self.channel.host.requeue(delivery_tag)
        self.ack(delivery_tag)


class _Channel(virtual.Channel):  # type: ignore[misc]
    """A channel whose queues live in a virtual host."""

    QoS = _QoS
    do_restore = True
    supports_fanout = True

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self.host: VirtualHost = connection.host
        self._unacknowledged: set[str] = set()

    def prepare_queue_arguments(self, arguments: Any, **options: Any) -> Any:
        return base.to_rabbitmq_queue_arguments(arguments, **options)

    def _has_queue(self, queue: str, **_: Any) -> bool:
        return self.host.has_queue(queue)

    def _new_queue(self, queue: str, auto_delete: bool = False, arguments: Any = None, **_: Any) -> None:
        self.host.declare(queue, arguments=arguments or {}, auto_delete=auto_delete)

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        self.host.put(queue, dumps(message), priority=self._get_message_priority(message))

    def _put_fanout(self, exchange: str, message: dict[str, Any], routing_key: Any = None, **_: Any) -> None:
        for queue in self._lookup(exchange, routing_key):
            self._put(queue, message)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        tag = next(_tags)
        delivery = self.host.get(queue, tag=None if queue in self._unacknowledged else tag)
        message: dict[str, Any] = loads(delivery.message)
        message["properties"]["delivery_tag"] = tag
        if delivery.redelivered:
            message["properties"]["delivery_info"]["redelivered"] = True
        return message

    def _restore(self, message: Any) -> None:
        self.host.requeue(message.delivery_tag)

    def _size(self, queue: str) -> int:
        return self.host.size(queue)

    def _purge(self, queue: str) -> int:
        return self.host.purge(queue)

    def _queue_bind(self, *_: Any) -> None:
        """Bindings are kept in the virtual host's shared BrokerState."""

    def queue_delete(self, queue: str, if_unused: bool = False, if_empty: bool = False, **_: Any) -> None:
        if if_empty and self._size(queue):
            return
        self.host.delete(queue)
        self.state.queue_bindings_delete(queue)

    def after_reply_message_received(self, queue: str) -> None:
        """More than one worker may answer: the queue goes with its consumer."""

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Any, consumer_tag: str, **kwargs: Any
    ) -> None:
        if no_ack:
            self._unacknowledged.add(queue)
        super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)
        self.host.add_consumer(queue)

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        message = super().basic_get(queue, no_ack, **kwargs)
        if message is not None and no_ack:
            self.host.ack(message.delivery_tag)
        return message

    def basic_cancel(self, consumer_tag: str) -> None:
        queue = self._tag_to_queue.get(consumer_tag)
        super().basic_cancel(consumer_tag)
        if queue is not None:
            self.host.remove_consumer(queue)


#: Exchanges and bindings of each virtual host, which all its connections share.
_states: weakref.WeakKeyDictionary[VirtualHost, virtual.BrokerState] = weakref.WeakKeyDictionary()


class Transport(virtual.Transport):  # type: ignore[misc]
    """Connects to a virtual host of this process."""

    Channel = _Channel
    driver_type = driver_name = "in-process"
    polling_interval = None
    implements = base.Transport.implements.extend(
        asynchronous=False, exchange_type=frozenset(["direct", "topic", "fanout"]), heartbeats=False
    )

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.polling_interval = None
        self.host = virtual_host(client.virtual_host or "/")
        self.state = _states.setdefault(self.host, virtual.BrokerState())
        self._interrupted = False

    def driver_version(self) -> str:
        """The transport has no driver."""
        return "N/A"

    def interrupt(self) -> None:
        """Make the drain that is under way, or the next one, end with ``socket.timeout``."""
        self._interrupted = True
        self.host.wake()

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver one message, or raise ``socket.timeout`` after *timeout* seconds without any."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            seen = self.host.changes
            try:
                self.cycle.get(self._deliver)
                return
            except Empty:
                pass
            if self._interrupted:
                self._interrupted = False
                raise TimeoutError
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            self.host.wait(seen, left)


def install() -> None:
    """Make the scheme known to kombu."""
    TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"


def uninstall() -> None:
    """Make kombu forget the scheme."""
    TRANSPORT_ALIASES.pop(SCHEME, None)
