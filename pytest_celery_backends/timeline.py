"""Every store of a result, in order, as made through the app under test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, overload

from celery import states

from . import state_patterns
from .comparison import difference

_FINAL = states.READY_STATES
#: How long a wait lasts where the caller sets no limit, in seconds.
DEFAULT_TIMEOUT = 5.0


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One attempt to store a state.

    ``at`` is in seconds since the task was published (or first seen). ``error`` is what the store
    raised, empty where it returned; that it returned does not mean that the store kept it. ``attempt`` counts
    from 1, and ``children`` are the ids of the tasks that the task has sent; both are known where a running
    task stores, and not where ``backend.store_result`` is called by hand.
    """

    task_id: str
    state: str
    value: Any = field(repr=False)
    traceback: str | None = field(repr=False)
    at: float
    thread: str
    error: str = ""
    attempt: int | None = None
    children: tuple[str, ...] = ()
    is_after_forget: bool = False

    def __str__(self) -> str:
        failed = f", not stored: {self.error}" if self.error else ""
        return f"{self.state} ({self.at * 1000:.1f} ms{failed})"


#: What happened: to the message, to the task (as Celery's signals say), to the result, or in a client that asked.
EventKind = Literal[
    "published",
    "received",
    "started",
    "stored",
    "retried",
    "succeeded",
    "failed",
    "revoked",
    "finished",
    "read",
    "forgotten",
]


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened to a task; ``at`` is in seconds since it was published (or first seen)."""

    kind: EventKind
    at: float
    thread: str
    state: str = ""
    detail: str = ""

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.at * 1000:.3f} ms  {self.kind}  {self.state}{detail}  [{self.thread}]"


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """Two stores that contradict each other, or one of what was forgotten; ``what`` says it in words."""

    what: str
    observation: Observation
    before: Observation | None = None

    def __str__(self) -> str:
        return self.what


class Timeline(Sequence[Observation]):
    """What happened to one task, oldest first.

    Compares with a list of states in a plain assert, in which ``...`` stands for anything and
    ``times("RETRY", 2)`` for repetitions; pytest then says where they part.

    >>> seen = Observation(task_id="4f1c", state="SUCCESS", value=4, traceback=None, at=0.0021, thread="w")
    >>> print(Timeline("4f1c", [seen]))
    SUCCESS (2.1 ms)
    >>> Timeline("4f1c", [seen]) == [..., "SUCCESS"]
    True
    """

    def __init__(
        self, task_id: str, observations: Iterable[Observation], events: Iterable[Event] = ()
    ) -> None:
        self.task_id = task_id
        self._observations = tuple(observations)
        self._events = tuple(events)

    @overload
    def __getitem__(self, index: int) -> Observation: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Observation]: ...
    def __getitem__(self, index: int | slice) -> Observation | Sequence[Observation]:
        return self._observations[index]

    def __len__(self) -> int:
        return len(self._observations)

    def __iter__(self) -> Iterator[Observation]:
        return iter(self._observations)

    @property
    def states(self) -> list[str]:
        """The states alone, oldest first."""
        return [seen.state for seen in self._observations]

    @property
    def events(self) -> list[Event]:
        """All that happened, oldest first: stores, the worker's signals, and each read by a client."""
        stores = [
            Event(kind="stored", at=seen.at, thread=seen.thread, state=seen.state, detail=seen.error)
            for seen in self._observations
        ]
        return sorted([*self._events, *stores], key=lambda event: event.at)

    @property
    def unstored(self) -> str:
        """Why Celery stores nothing of a task that has ended: "eager", "its result is ignored"; else empty."""
        ends = [event.detail for event in self._events if event.kind == "finished" and event.state in _FINAL]
        return ends[-1] if ends and not self._observations else ""

    @property
    def conflicts(self) -> list[Conflict]:
        """Where writers raced: a SUCCESS that another state came after, two with different values, and stores
        of what was forgotten. Celery guards a SUCCESS against some of it, on some backends.
        """
        found: list[Conflict] = []
        success: Observation | None = None
        for seen in (each for each in self._observations if not each.error):
            if seen.is_after_forget:
                found.append(Conflict(what=f"{seen} was stored after forget()", observation=seen))
            elif success is not None and seen.state != states.SUCCESS:
                what = f"{success} was overwritten by {seen} in thread {seen.thread}"
                found.append(Conflict(what=what, observation=seen, before=success))
            elif success is not None and (parts := difference(success.value, seen.value)):
                what = f"{success} was stored again by {seen} in thread {seen.thread}: {parts}"
                found.append(Conflict(what=what, observation=seen, before=success))
            if seen.state == states.SUCCESS:
                success = seen
        return found

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Timeline):
            return self._observations == other._observations
        if isinstance(other, (list, tuple)):
            return state_patterns.difference(other, self.states) is None
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it is equal to many things

    def __str__(self) -> str:
        nothing = f"nothing was stored: {self.unstored}" if self.unstored else "nothing was stored"
        return " -> ".join(map(str, self._observations)) or nothing

    def __repr__(self) -> str:
        return f"<Timeline of {self.task_id}: {self}>"


def compared(op: str, left: object, right: object) -> list[str] | None:
    """What pytest says of a timeline that is not what a test compares it with; None where it is none."""
    timeline, pattern = (left, right) if isinstance(left, Timeline) else (right, left)
    if op != "==" or not isinstance(timeline, Timeline) or not isinstance(pattern, (list, tuple)):
        return None
    return [
        f"timeline of {timeline.task_id[:8]} == [{state_patterns.shown(pattern)}]",
        f"expected: {state_patterns.shown(pattern)}",
        f"observed: {timeline}",
        f"first difference: {state_patterns.difference(pattern, timeline.states)}",
    ]
