"""Where writers of one result raced, as their stores and the store itself say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from celery import states

from .comparison import difference

if TYPE_CHECKING:
    from .timeline import Observation


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """Two stores that contradict each other, or one of what was forgotten; ``what`` says it in words."""

    what: str
    observation: Observation
    before: Observation | None = None

    def __str__(self) -> str:
        return self.what


def conflicts_in(observations: Sequence[Observation], held: Callable[[], str] | None) -> list[Conflict]:
    """The conflicts among the stores of one task, oldest first.

    Arguments:
        held: reads what the store holds now. Of stores that were under way at the same time nothing else says
            which one won: they return in any order. None where it cannot be read.
    """
    kept = [each for each in observations if not each.error]
    found: list[Conflict] = []
    success: Observation | None = None
    for index, seen in enumerate(kept):
        raced = [each for each in kept[:index] if _is_race(each, seen)]
        found += [_raced(each, seen, _winner(kept, held)) for each in raced]
        if seen.is_after_forget:
            found.append(Conflict(what=f"{seen} was stored after forget()", observation=seen))
        elif success is not None and success not in raced:
            found += _came_after(success, seen)
        if seen.state == states.SUCCESS:
            success = seen
    return found


def _is_race(one: Observation, other: Observation) -> bool:
    """Whether two stores were under way at the same time, and say how the task ended in different ways."""
    if not one.overlaps(other) or not {one.state, other.state} & states.READY_STATES:
        return False
    return one.state != other.state or difference(one.value, other.value) is not None


def _winner(kept: Sequence[Observation], held: Callable[[], str] | None) -> str:
    """What the store holds of those that came last together; empty where that cannot be said."""
    last = kept[-1]
    if held is None or not any(last.overlaps(each) for each in kept[:-1]):
        return ""
    return f": the store holds {held() or 'nothing'}"


def _raced(one: Observation, other: Observation, winner: str) -> Conflict:
    what = (
        f"{one} and {other} were stored at the same time, in threads {one.thread} and {other.thread}{winner}"
    )
    return Conflict(what=what, observation=other, before=one)


def _came_after(success: Observation, seen: Observation) -> list[Conflict]:
    if seen.state != states.SUCCESS:
        came = "was followed by" if seen.instead == states.SUCCESS else "was overwritten by"
        what = f"{success} {came} {seen} in thread {seen.thread}"
    elif parts := difference(success.value, seen.value):
        what = f"{success} was stored again by {seen} in thread {seen.thread}: {parts}"
    else:
        return []
    return [Conflict(what=what, observation=seen, before=success)]
