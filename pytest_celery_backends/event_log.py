"""Events of tasks as they come, and each task's when somebody asks."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import NamedTuple

from .timeline import Event, EventKind


class Noted(NamedTuple):
    """An event of a task, in seconds of ``time.monotonic()``; the thread gives its name when somebody asks for it."""

    task_id: str
    kind: EventKind
    moment: float
    thread: threading.Thread
    state: str
    detail: str


class EventLog:
    """What was noted, by any thread.

    Threads that run tasks and wait for results only ``append``, which is atomic: a lock, or a place for each task,
    would be most of what that costs.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: list[tuple[str, EventKind, float, threading.Thread, str, str]] = []
        self._sorted = 0  # so many of them are in
        self._of: dict[str, list[Noted]] = {}
        self.append = self._noted.append  #: takes what ``Noted`` is made of, as a tuple

    def _sort(self) -> None:
        with self._lock:
            fresh = self._noted[self._sorted :]
            self._sorted += len(fresh)
            for noted in map(Noted._make, fresh):
                self._of.setdefault(noted.task_id, []).append(noted)

    @property
    def task_ids(self) -> Iterable[str]:
        """Every task that has an event."""
        self._sort()
        return list(self._of)

    def first(self, task_id: str) -> float | None:
        """The moment of a task's first event; None where it has none."""
        self._sort()
        return next((noted.moment for noted in self._of.get(task_id, ())), None)

    def of(self, task_id: str, zero: float) -> list[Event]:
        """A task's events in the order they came, in seconds since *zero*."""
        self._sort()
        return [
            Event(
                kind=noted.kind,
                at=noted.moment - zero,
                thread=noted.thread.name,
                state=noted.state,
                detail=noted.detail,
            )
            for noted in self._of.get(task_id, ())
        ]

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._noted.clear()
            self._of.clear()
            self._sorted = 0
