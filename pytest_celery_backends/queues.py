"""One queue of the in-process broker, and the messages in it. Its virtual host does the locking."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message with what the broker knows about it."""

    queue: str
    message: Any
    priority: int = 0
    redelivered: bool = False


@dataclass(kw_only=True)
class Queue:
    """One queue; ``arguments`` are AMQP's (``x-expires`` in milliseconds, ``x-max-priority``).

    ``received`` counts all that was ever put into it.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    auto_delete: bool = False
    ready: deque[Delivery] = field(default_factory=deque)
    unacked: dict[Hashable, Delivery] = field(default_factory=dict)
    consumers: int = 0
    last_used: float = 0.0
    received: int = 0

    def idle_left(self, now: float) -> float | None:
        """Seconds until the queue is removed for being idle; None where nothing removes it.

        >>> Queue(name="replies", arguments={"x-expires": 3000}, last_used=10.0).idle_left(11.0)
        2.0
        """
        expires = self.arguments.get("x-expires")
        if expires is None or self.consumers:
            return None
        return self.last_used + float(expires) / 1000 - now

    def insert(self, delivery: Delivery, *, first: bool) -> None:
        """Add a message behind (or before) those of its own priority, behind all that are more urgent."""
        ready = self.ready
        if "x-max-priority" not in self.arguments:
            (ready.appendleft if first else ready.append)(delivery)
            return
        priority = min(delivery.priority, int(self.arguments["x-max-priority"]))
        lowest_ahead = priority + 1 if first else priority
        ahead = sum(1 for waiting in ready if waiting.priority >= lowest_ahead)
        ready.insert(ahead, replace(delivery, priority=priority))

    def discard(self, matches: Callable[[Delivery], bool], *, unacked: bool) -> int:
        """Remove the messages for which *matches* says so, also those being worked on; gives how many."""
        before = len(self.ready) + len(self.unacked)
        self.ready = deque(delivery for delivery in self.ready if not matches(delivery))
        if unacked:
            self.unacked = {tag: held for tag, held in self.unacked.items() if not matches(held)}
        return before - len(self.ready) - len(self.unacked)
