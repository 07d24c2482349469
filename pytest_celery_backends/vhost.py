"""The in-process broker without its transport: virtual hosts, their queues and messages.

Exchanges and bindings are kept in the transport's ``BrokerState``.

Nothing in here knows what a message is: a transport does, and so does the reader of the rpc backend.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from queue import Empty
from threading import Condition, Lock
from time import monotonic
from typing import Any, Final

from .errors import NotShared
from .queues import Delivery, Queue


class VirtualHost:
    """One isolated broker: nothing in it is visible from another.

    Every operation takes one lock and returns at once; only ``wait`` blocks, and only up to its limit. A
    queue with ``x-expires`` that nobody consumed from or used for that long is gone when it is looked at
    next, as in RabbitMQ (https://www.rabbitmq.com/docs/ttl#queue-ttl).

    >>> host = VirtualHost("example")
    >>> _ = host.declare("orders")
    >>> host.put("orders", "first"), host.put("nowhere", "lost")
    (True, False)
    >>> host.get("orders", tag=1).message
    'first'
    >>> host.requeue(1), host.get("orders").redelivered
    (True, True)
    """

    def __init__(self, name: str, *, clock: Callable[[], float] = monotonic) -> None:
        self.name = name
        self.queues: dict[str, Queue] = {}
        #: Every message that was put, also those that were taken since; whoever looks clears it.
        self.sent: list[Delivery] = []
        self._clock = clock
        self._process = os.getpid()
        self._changed = Condition(Lock())
        self._changes = 0

    def declare(
        self, name: str, *, arguments: Mapping[str, Any] | None = None, auto_delete: bool = False
    ) -> Queue:
        """The queue of that name, made where it is missing; declaring it again counts as use."""
        with self._changed:
            queue = self._living(name)
            if queue is None:
                queue = Queue(name=name, arguments=dict(arguments or {}), auto_delete=auto_delete)
                self.queues[name] = queue
            queue.last_used = self._clock()
            return queue

    def has_queue(self, name: str) -> bool:
        """Whether there is such a queue; asking does not count as use."""
        with self._changed:
            return self._living(name) is not None

    def delete(self, name: str) -> int:
        """Remove a queue; gives how many messages went with it."""
        with self._changed:
            return self._delete(name)

    def purge(self, name: str) -> int:
        """Remove the waiting messages of a queue, not those being worked on; gives how many."""
        return self.discard(lambda delivery: delivery.queue == name, unacked=False)

    def size(self, name: str) -> int:
        """How many messages wait in a queue; 0 where there is no such queue."""
        with self._changed:
            return len(queue.ready) if (queue := self._living(name)) else 0

    def received(self, name: str) -> int:
        """How many messages were ever put into a queue; 0 where there is no such queue."""
        with self._changed:
            return queue.received if (queue := self._living(name)) else 0

    def add_consumer(self, name: str) -> None:
        """Count a consumer: a queue that has one never expires. Unknown queues are passed over."""
        with self._changed:
            if queue := self._living(name):
                queue.consumers += 1

    def remove_consumer(self, name: str) -> None:
        """Count a consumer less; an auto-delete queue goes with its last one."""
        with self._changed:
            if (queue := self.queues.get(name)) and queue.consumers:
                queue.consumers -= 1
                queue.last_used = self._clock()
                if queue.auto_delete and not queue.consumers:
                    self._delete(name)

    def idle_left(self, name: str) -> float | None:
        """Seconds until a queue is removed for being idle; None where nothing removes it."""
        with self._changed:
            return queue.idle_left(self._clock()) if (queue := self._living(name)) else None

    def advance(self, seconds: float) -> None:
        """Let every queue be idle for *seconds* more."""
        with self._changed:
            for name in list(self.queues):
                self.queues[name].last_used -= seconds
                self._living(name)

    def put(self, name: str, message: Any, *, priority: int = 0) -> bool:
        """Add a message and wake the consumers; False where no such queue exists: the message is dropped.

        Raises:
            NotShared: this is a forked child, whose copy of the virtual host has no consumers.
        """
        if os.getpid() != self._process:
            raise NotShared(
                f"a message for queue {name!r} was sent by a process that was forked off the tests' own",
                tried=["the in-process broker is not shared with other processes: nobody would receive it"],
                remedy="task.delay()  # in the test's own process, or in a thread of it",
            )
        with self._changed:
            queue = self._living(name)
            if queue is None:
                return False
            delivery = Delivery(queue=name, message=message, priority=priority)
            self.sent.append(delivery)
            queue.received += 1
            queue.insert(delivery, first=False)
            self._notify()
            return True

    def get(self, name: str, *, tag: Hashable | None = None) -> Delivery:
        """Take the next message; with *tag* it is kept until that tag is acknowledged or rejected.

        Raises:
            queue.Empty: no message waits, or there is no such queue.
        """
        with self._changed:
            queue = self._living(name)
            if queue is not None:
                queue.last_used = self._clock()
            if queue is None or not queue.ready:
                raise Empty
            delivery = queue.ready.popleft()
            if tag is not None:
                queue.unacked[tag] = delivery
            return delivery

    def ack(self, tag: Hashable) -> bool:
        """Forget a message, worked on or rejected for good; False where the tag is unknown."""
        with self._changed:
            return self._release(tag) is not None

    def requeue(self, tag: Hashable) -> bool:
        """Put a message back where it came from, marked as redelivered; False where tag or queue is gone."""
        with self._changed:
            return (held := self._release(tag)) is not None and self._put_back(held)

    def messages(self) -> tuple[Delivery, ...]:
        """Everything that is kept, waiting or being worked on, by queue name and in order."""
        with self._changed:
            living = [queue for name in sorted(self.queues) if (queue := self._living(name))]
            return tuple(held for queue in living for held in (*queue.unacked.values(), *queue.ready))

    def discard(self, matches: Callable[[Delivery], bool], *, unacked: bool = True) -> int:
        """Remove the messages for which *matches* says so; gives how many."""
        with self._changed:
            return sum(queue.discard(matches, unacked=unacked) for queue in self.queues.values())

    @property
    def changes(self) -> int:
        """Counts what may interest a waiter; read it before looking, and give it to ``wait``."""
        return self._changes

    def wake(self) -> None:
        """Let every waiter look again."""
        with self._changed:
            self._notify()

    def wait(self, seen: int, timeout: float | None) -> bool:
        """Block until ``changes`` is no longer *seen*, at most *timeout* seconds; whether it changed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._changes != seen, timeout)

    def clear(self) -> None:
        """Remove all queues with their messages, and wake every waiter."""
        with self._changed:
            self.queues.clear()
            self._notify()

    def _notify(self) -> None:
        self._changes += 1
        self._changed.notify_all()

    def _living(self, name: str) -> Queue | None:
        queue = self.queues.get(name)
        if queue is None:
            return None
        left = queue.idle_left(self._clock())
        if left is not None and left <= 0:
            self._delete(name)
            return None
        return queue

    def _delete(self, name: str) -> int:
        queue = self.queues.pop(name, None)
        return len(queue.ready) + len(queue.unacked) if queue else 0

    def _release(self, tag: Hashable) -> Delivery | None:
        held = (queue.unacked.pop(tag) for queue in self.queues.values() if tag in queue.unacked)
        return next(held, None)

    def _put_back(self, delivery: Delivery) -> bool:
        queue = self._living(delivery.queue)
        if queue is None:
            return False
        queue.insert(replace(delivery, redelivered=True), first=True)
        self._notify()
        return True


# The one thing here that changes and lives as long as the process: a transport is given nothing but a URL,
# and two connections to one URL have to meet.
_HOSTS: Final[dict[str, VirtualHost]] = {}
_HOSTS_LOCK: Final = Lock()


def virtual_host(name: str) -> VirtualHost:
    """The virtual host of this process with that name, made where it is missing.

    >>> virtual_host("doc-example") is virtual_host("doc-example")
    True
    >>> drop_virtual_host("doc-example")
    """
    with _HOSTS_LOCK:
        return _HOSTS.setdefault(name, VirtualHost(name))


def drop_virtual_host(name: str) -> None:
    """Forget a virtual host with all its messages; who waits on it is woken, and finds nothing."""
    with _HOSTS_LOCK:
        host = _HOSTS.pop(name, None)
    if host is not None:
        host.clear()
