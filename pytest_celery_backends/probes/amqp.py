"""Reads results that wait as messages in the reply queues of a real AMQP broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..amqp_names import KnownQueue, forget_names, names_of
from ..sources import Identity
from ..spec import Copied, Held, NotReady, ProbeContext, Refused, StoredResult, Trace
from .keys import state_in

#: Seconds after which a silent broker is given up.
LIMIT: Final = 10.0


def connected(url: str, limit: float) -> Any:
    """A py-amqp connection; *limit* is in seconds for connecting and for every answer."""
    from kombu import Connection

    options = {"read_timeout": limit, "write_timeout": limit}
    connection = Connection(url, connect_timeout=limit, transport_options=options)
    return connection.transport.establish_connection()


def identify(url: str, limit: float) -> Identity:
    """What the broker at *url* says it is when it greets."""
    from amqp import exceptions

    try:
        connection = connected(url, limit)
    except exceptions.AccessRefused as error:
        refusal: Exception = Refused(f"the broker does not accept user and password: {error.reply_text}")
    except (exceptions.NotAllowed, exceptions.InvalidPath) as error:
        refusal = Refused(f"no such virtual host, or not for this user: {error.reply_text}")
    except (exceptions.AMQPError, OSError) as error:
        refusal = NotReady(str(error) or type(error).__name__)
    else:
        said = connection.server_properties
        connection.close()
        return Identity(product=str(said.get("product", "AMQP")), version=str(said.get("version", "")))
    raise refusal


def sweep(url: str, prefix: str) -> None:
    """Remove the queues and exchanges that runs noted in their index, where their names begin so."""
    from amqp import exceptions

    connection = connected(url, LIMIT)
    try:
        channel, index = connection.channel(), f"{prefix}index"
        channel.auto_decode = False
        try:
            while message := channel.basic_get(index, no_ack=True):
                kind, _, name = bytes(message.body).decode().partition(" ")
                if name.startswith(prefix):
                    (channel.queue_delete if kind == "queue" else channel.exchange_delete)(name)
            channel.queue_delete(index)
        except exceptions.NotFound:
            pass  # the run made nothing here, or the broker has removed it
    finally:
        connection.close()


class AmqpProbe:
    """The results in one namespace; task messages and worker control are none and stay untouched.

    AMQP has no way of only looking: messages are fetched and put back where they were, after which the broker
    calls them redelivered. What it has sent to a client that listens is not in the queue any more.
    """

    def __init__(self, context: ProbeContext) -> None:
        self._context = context
        self._names = names_of(context.namespace.name)
        self._client: Any = None
        self._open: Any = None

    @property
    def client(self) -> Any:
        """A py-amqp connection to the namespace's broker; there, names begin with the namespace and a dot."""
        if self._client is None or not self._client.connected:
            self._client, self._open = connected(self._context.service.url, LIMIT), None
        return self._client

    def create(self) -> None:
        """Nothing: a prefix needs no making."""

    def empty(self) -> None:
        """Remove all results that wait."""
        for queue in self._reply_queues():
            self._channel.queue_purge(self._names.there(queue.name))

    def drop(self) -> None:
        """Remove what was declared in the namespace, and disconnect, also where the broker is gone."""
        try:
            for queue in list(self._names.queues.values()):
                if not queue.is_exclusive:  # those have gone with their connection
                    self._channel.queue_delete(self._names.there(queue.name))
            for exchange in sorted(self._names.exchanges):
                self._channel.exchange_delete(self._names.there(exchange))
            if forget_names(self._names.namespace):
                self._channel.queue_delete(self._names.index)
        finally:
            forget_names(self._names.namespace)
            if self._client is not None:
                self._client.close()
                self._client = self._open = None

    def stored(self) -> Sequence[StoredResult]:
        """Every result, by queue and in order; it expires when its whole queue does."""
        return [
            self._result(queue, message)
            for queue in self._reply_queues()
            for message in self._messages(queue)
            if _task_of(message)
        ]

    def traces(self) -> Sequence[Trace]:
        """The reply queues that nobody reads and that have no limit: in production they stay for ever."""
        waiting = [queue for queue in self._reply_queues() if queue.asked is None]
        return [Trace(kind="queue", name=queue.name) for queue in waiting if not self._consumers(queue)]

    def idle_limit(self, queue: str) -> float | None:
        """For how many seconds Celery wants a queue to be idle at most; None where it has no limit."""
        known = self._names.queues.get(queue)
        return known.asked if known else None

    def held(self, task_id: str) -> Held | None:
        """The body of the latest message for a task, None where none waits."""
        found = [one for one in self.stored() if one.task_id == task_id]
        return Held(state=found[-1].state, raw=found[-1].raw) if found else None

    def aged_copy(self, task_id: str, seconds: float, kind: Copied = "task") -> str:
        """Not possible: the broker counts for how long a queue is idle, not how old a message is."""
        raise NotImplementedError("a reply queue expires as a whole once it is idle; a message has no age")

    def advance(self, seconds: float) -> None:
        """Not possible: the broker counts for how long a queue is idle, on its own clock."""
        raise NotImplementedError("RabbitMQ counts on its own clock for how long a queue is idle")

    def remove(self, task_id: str, kind: Copied = "task") -> None:
        """Remove a task's messages; nothing happens where there are none."""
        for queue in self._reply_queues():
            for message in self._messages(queue, put_back=False):
                if _task_of(message) == task_id:
                    self._channel.basic_ack(message.delivery_tag)
            self._channel.basic_recover(requeue=True)

    @property
    def _channel(self) -> Any:
        client = self.client
        if self._open is None or not self._open.is_open:
            self._open = client.channel()
            self._open.auto_decode = False  # what is stored are bytes
        return self._open

    def _reply_queues(self) -> list[KnownQueue]:
        """Those that are there; an idle one is removed by the broker.

        The number of messages is of no use here: RabbitMQ answers before it has put back what was fetched.
        """
        known = sorted(self._names.queues.values(), key=lambda queue: queue.name)
        return [queue for queue in known if queue.holds_replies and self._consumers(queue) is not None]

    def _consumers(self, queue: KnownQueue) -> int | None:
        """How many listen, None where there is no such queue any more."""
        from amqp import exceptions

        try:
            found = self._channel.queue_declare(self._names.there(queue.name), passive=True)
        except exceptions.NotFound:
            self._names.gone(queue.name)
            return None
        return int(found.consumer_count)

    def _messages(self, queue: KnownQueue, *, put_back: bool = True) -> list[Any]:
        channel, name = self._channel, self._names.there(queue.name)
        messages = list(iter(lambda: channel.basic_get(name), None))
        if messages and put_back:
            channel.basic_recover(requeue=True)
        return messages

    def _result(self, queue: KnownQueue, message: Any) -> StoredResult:
        raw = bytes(message.body)
        return StoredResult(
            task_id=_task_of(message),
            kind="message",
            state=state_in(raw, self._context.decode),
            raw=raw,
            size=len(raw),
            expires_in=None if self._consumers(queue) else queue.expires,  # our look counts as use
            key=queue.name,
        )


def _task_of(message: Any) -> str:
    """The task whose result a message is; empty for a task's own message and a worker's control reply.

    Results carry the task's id as their correlation id, and unlike tasks no header that names a task
    (https://docs.celeryq.dev/en/stable/internals/protocol.html).
    """
    headers = message.properties.get("application_headers") or {}
    if "task" in headers or "ticket" in headers:
        return ""
    return str(message.properties.get("correlation_id") or "")
