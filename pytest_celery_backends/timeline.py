"""Every store of a result, in order, as made through the app under test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, overload

from celery import states

from . import state_patterns
from .conflicts import Conflict, conflicts_in

#: How a task can end, as ``task_postrun`` says; the last one leaves the result to the task.
_ENDS = states.READY_STATES | {states.IGNORED}
#: How long a wait lasts where the caller sets no limit, in seconds.
DEFAULT_TIMEOUT = 5.0


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One attempt to store a state.

    ``at`` is in seconds since the task was published (or first seen). ``error`` is what the store
    raised, empty where it returned; that it returned does not mean that the store kept it. ``instead`` is what
    the store held right after it, where that was another state, or nothing (empty); None where it was kept, and
    for the first final state, which is looked for when a test asks. ``attempt`` counts from 1, and ``children``
    are the ids of the tasks that the task has sent; ``request`` has what a store takes from the task's request. All
    are known where a running task stores, and not where ``backend.store_result`` is called by hand. ``moment`` is
    when the store returned and ``began`` when it was called, both on the clock of ``time.monotonic()``.
    """

    task_id: str
    state: str
    value: Any = field(repr=False)
    traceback: str | None = field(repr=False)
    at: float
    thread: str
    error: str = ""
    instead: str | None = None
    attempt: int | None = None
    children: tuple[str, ...] = ()
    request: Mapping[str, Any] | None = field(default=None, repr=False)
    is_after_forget: bool = False
    moment: float = 0.0
    began: float = 0.0

    def overlaps(self, other: Observation) -> bool:
        """Whether both stores were under way at the same time, in two threads."""
        return self.began < other.moment and other.began < self.moment and self.thread != other.thread

    def __str__(self) -> str:
        failed = f", not stored: {self.error}" if self.error else ""
        lost = "" if self.instead is None else ", not kept"
        return f"{self.state} ({self.at * 1000:.1f} ms{failed}{lost})"

    @property
    def described(self) -> str:
        """What was stored, in one line: the attempt, the value, and what the store made of it."""
        attempt = f"attempt {self.attempt}: " if self.attempt and self.attempt > 1 else ""
        value = repr(self.value)
        lost = "" if self.instead is None else f"; the store held {self.instead or 'nothing'} after that"
        failed = f"; not stored: {self.error}" if self.error else ""
        return f"{attempt}{value if len(value) <= 80 else f'{value[:77]}...'}{lost}{failed}"


#: What is said of a task that ran where it was called.
EAGER = "eager"

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
    "not forgotten",
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
        self,
        task_id: str,
        observations: Iterable[Observation],
        events: Iterable[Event] = (),
        held: Callable[[], str] | None = None,
    ) -> None:
        self.task_id = task_id
        self._held = held
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
        """The states that were stored, oldest first; not those that the store refused."""
        return [seen.state for seen in self._observations if not seen.error]

    @property
    def events(self) -> list[Event]:
        """All that happened, oldest first: stores, the worker's signals, and each read by a client."""
        stores = [
            Event(kind="stored", at=seen.at, thread=seen.thread, state=seen.state, detail=seen.error)
            for seen in self._observations
        ]
        return sorted([*self._events, *stores], key=lambda event: event.at)

    def table(self) -> str:
        """All that happened as lines of columns: milliseconds, what, state, thread, and what else is known.

        >>> seen = Observation(task_id="4f1c", state="SUCCESS", value=4, traceback=None, at=0.0021, thread="w")
        >>> print(Timeline("4f1c", [seen]).table())
               2.100  stored SUCCESS  w  4
        """
        stores = iter(sorted(self._observations, key=lambda seen: seen.at))
        rows = [
            (
                f"{event.at * 1000:12.3f}",
                f"{event.kind} {event.state}".strip(),
                event.thread,
                next(stores).described if event.kind == "stored" else event.detail,
            )
            for event in self.events
        ]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        padded = (
            [text.ljust(width) for text, width in zip(row, widths, strict=False)] + [row[3]] for row in rows
        )
        return "\n".join("  ".join(row).rstrip() for row in padded)

    @property
    def is_eager(self) -> bool:
        """Whether the task ran where it was called, by ``apply`` or ``task_always_eager``."""
        return any(event.kind == "started" and event.detail == EAGER for event in self._events)

    @property
    def unstored(self) -> str:
        """Why Celery stores no end of a task that has ended: "eager", "its result is ignored", "it raised Ignore";
        else empty. What the task stored by itself is on the timeline all the same.
        """
        ends = [event.detail for event in self._events if event.kind == "finished" and event.state in _ENDS]
        return ends[-1] if ends else ""

    @property
    def lost_end(self) -> Observation | None:
        """The last store, where that was to be the end of the task and failed."""
        last = self._observations[-1] if self._observations else None
        return last if last is not None and last.error and last.state in states.READY_STATES else None

    @property
    def has_ended(self) -> bool:
        """Whether there is an end that was stored, or one that Celery does not store."""
        ends = (seen.state in states.READY_STATES and not seen.error for seen in self._observations)
        return any(ends) or bool(self.unstored)

    @property
    def conflicts(self) -> list[Conflict]:
        """Where writers raced: a SUCCESS that another state came after, two with different values, ends that were
        stored at the same time, and stores of what was forgotten. Of those at the same time the store is asked
        which one it holds. Celery guards a SUCCESS against some of it, on some backends.
        """
        return conflicts_in(self._observations, self._held)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Timeline):
            return self._observations == other._observations
        if isinstance(other, (list, tuple)):
            return state_patterns.difference(other, self.states) is None
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it is equal to many things

    def __str__(self) -> str:
        if not self._observations:
            return f"nothing was stored: {self.unstored}" if self.unstored else "nothing was stored"
        stores = " -> ".join(map(str, self._observations))
        return f"{stores} ({EAGER})" if self.is_eager else stores

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
        *_misspelt(pattern, timeline.states),
    ]


def _misspelt(pattern: Iterable[Any], stored: Iterable[str]) -> list[str]:
    names = [getattr(element, "state", element) for element in pattern]
    return state_patterns.hints((name for name in names if isinstance(name, str)), stored)
