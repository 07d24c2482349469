"""What a worker and its lease ask of a broker, and that of a real AMQP broker."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Protocol

from kombu import Connection

from .amqp_names import is_namespaced, names_of, plain_url
from .probes.queues import replies
from .vhost import drop_virtual_host, virtual_host


class Host(Protocol):
    """The broker of one lease. ``changes``, ``wake`` and ``wait`` tell who waits that something happened."""

    @property
    def changes(self) -> int:
        """Counts what may interest a waiter; read it before looking, and give it to ``wait``."""

    def wake(self) -> None:
        """Let every waiter look again."""

    def wait(self, seen: int, timeout: float | None) -> bool:
        """Block until ``changes`` is no longer *seen*, at most *timeout* seconds; whether it changed."""

    def size(self, name: str) -> int:
        """How many messages wait in a queue; 0 where there is no such queue."""

    def commands(self, queue: str) -> int:
        """How many commands were ever sent to the worker that reads them from this queue."""

    def unfinished(self, queues: Collection[str]) -> list[str]:
        """The queue of each message that waits in these queues, or that is not acknowledged."""

    def receives_all(self, channel: Any, ask: Callable[[Callable[[], Any]], bool]) -> bool:
        """Whether a consumer has received what was sent to its channel; *ask* runs what it is given there."""

    def replies(self, task_id: str) -> list[bytes]:
        """The bodies of the results that were sent for a task in this test, also of those that were read."""

    def empty(self) -> None:
        """Remove all messages."""

    def let_go(self, backends: Iterable[Any]) -> None:
        """Between two tests: nobody listens for the results of the last one any more."""

    def drop(self) -> None:
        """Remove everything and let go of the broker."""


class InProcessHost:
    """The in-process broker: whoever looks sees everything at once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._host = virtual_host(name)
        self.wake, self.wait, self.size = self._host.wake, self._host.wait, self._host.size
        self.commands = self._host.received

    @property
    def changes(self) -> int:
        return self._host.changes

    def unfinished(self, queues: Collection[str]) -> list[str]:
        return [delivery.queue for delivery in self._host.messages() if delivery.queue in queues]

    def receives_all(self, channel: Any, ask: Callable[[Callable[[], Any]], bool]) -> bool:
        """It does: nothing is ever on its way."""
        return True

    def replies(self, task_id: str) -> list[bytes]:
        return replies(self._host.sent, task_id)

    def empty(self) -> None:
        self._host.discard(lambda delivery: True)
        self._host.sent.clear()

    def let_go(self, backends: Iterable[Any]) -> None:
        """Nothing: a message stays in its queue until somebody reads it."""

    def drop(self) -> None:
        drop_virtual_host(self._name)


class AmqpHost:
    """A namespace of a real broker: asked over a connection of its own, and told by our channels."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._names = names_of(plain_url(url)[1])
        self._connection: Any = None
        self._opened: Any = None
        self.wake, self.wait = self._names.wake, self._names.wait

    @property
    def changes(self) -> int:
        return self._names.changes

    def size(self, name: str) -> int:
        if name not in self._names.queues or self._names.queues[name].is_exclusive:
            return 0
        channel = self._channel()
        try:
            return int(channel.queue_declare(name, passive=True).message_count)
        except self._connection.channel_errors:  # there is no such queue any more
            self._names.gone(name)
            return 0

    def commands(self, queue: str) -> int:
        """All workers of a namespace are sent all commands, and take what is for them."""
        return self._names.commands

    def unfinished(self, queues: Collection[str]) -> list[str]:
        waiting = [name for name in sorted(queues) for _ in range(self.size(name))]
        return sorted([*waiting, *self._names.held(queues)])

    def receives_all(self, channel: Any, ask: Callable[[Callable[[], Any]], bool]) -> bool:
        """A message that left its queue may still be on its way: what comes before an answer is there by then.

        Queues answered to ``size`` before, so they have sent to the consumer's channel what they gave away.
        """
        seen = self._names.deliveries
        answered = ask(lambda: channel.flow(True))
        if seen == self._names.deliveries:
            return answered
        self.wake()
        return False

    def replies(self, task_id: str) -> list[bytes]:
        return [body for sent, body in list(self._names.replies) if sent == task_id]

    def empty(self) -> None:
        """Results are the probe's to remove. Purging takes longer than asking."""
        self._names.replies.clear()
        for known in list(self._names.queues.values()):
            if not known.holds_replies and self.size(known.name):
                self._channel().queue_purge(known.name)

    def let_go(self, backends: Iterable[Any]) -> None:
        """A broker sends results to whoever listens, at once, and they would not be found in their queue."""
        for backend in backends:
            consumer = getattr(getattr(backend, "result_consumer", None), "_consumer", None)
            if consumer is not None:
                backend.result_consumer.cancel_for("")  # the one queue of all tasks

    def drop(self) -> None:
        if self._connection is not None:
            connection, self._connection, self._opened = self._connection, None, None
            connection.release()

    def _channel(self) -> Any:
        """A channel that is open: the broker closes one that was asked for a queue that is not there."""
        if self._connection is None:
            self._connection = Connection(self._url, connect_timeout=10)
        if self._opened is None or not self._opened.is_open:
            self._opened = self._connection.channel()
        return self._opened


def host_of(broker_url: str, namespace: str) -> Host:
    """The host that a broker's URL leads to: the in-process broker, or a real one."""
    return AmqpHost(broker_url) if is_namespaced(broker_url) else InProcessHost(namespace)
