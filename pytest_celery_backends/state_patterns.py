"""Sequences of states as a test expects them: names, ``...`` for anything, ``times`` for repetitions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import EllipsisType
from typing import Final

#: PENDING is what no store knows: it may be written, and says nothing.
PENDING = "PENDING"


@dataclass(frozen=True)
class Times:
    """A state that comes several times in a row; made by ``times``."""

    state: str
    at_least: int
    at_most: int

    def __str__(self) -> str:
        if self.at_least == self.at_most:
            return f"{self.state} x {self.at_least}"
        return f"{self.state} x {self.at_least}-{self.at_most}"

    __repr__ = __str__


#: What may stand in a pattern.
Element = str | Times | EllipsisType


def times(state: str, at_least: int, at_most: int | None = None) -> Times:
    """A state that comes so many times in a row, for ``assert_transitions`` and comparisons of timelines.

    Raises ValueError for numbers that no sequence fits.

    >>> times("RETRY", 2, 5)
    RETRY x 2-5
    >>> difference(["STARTED", times("RETRY", 2), "SUCCESS"], ["STARTED", "RETRY", "RETRY", "SUCCESS"]) is None
    True
    """
    most = at_least if at_most is None else at_most
    if not 0 <= at_least <= most or most < 1:
        raise ValueError(f"times({state!r}, {at_least}, {at_most}): no number is that")
    return Times(state, at_least, most)


@dataclass(frozen=True)
class _Atom:
    """One place of a pattern: the state that fits (None: any), and whether none or more than one does."""

    state: str | None
    may_miss: bool = False
    may_repeat: bool = False


def _atoms(pattern: Iterable[Element]) -> list[_Atom]:
    atoms: list[_Atom] = []
    for element in pattern:
        if isinstance(element, EllipsisType):
            atoms.append(_Atom(None, may_miss=True, may_repeat=True))
        elif isinstance(element, Times):
            atoms += [_Atom(element.state)] * element.at_least
            atoms += [_Atom(element.state, may_miss=True)] * (element.at_most - element.at_least)
        elif element != PENDING:
            atoms.append(_Atom(element))
    return atoms


def difference(pattern: Iterable[Element], seen: Sequence[str]) -> str | None:
    """Where a sequence of states parts from a pattern; None where it fits.

    >>> difference(["STARTED", ..., "SUCCESS"], ["STARTED", "PROGRESS", "PROGRESS", "SUCCESS"]) is None
    True
    >>> difference(["STARTED", "SUCCESS"], ["STARTED"])
    'SUCCESS never came'
    """
    atoms = _atoms(pattern)
    places = _reached(atoms, {0})
    for state in seen:
        fitting = {place for place in places if place < len(atoms) and atoms[place].state in (None, state)}
        if not fitting:
            return _told(_wanted(atoms, places), state, seen)
        after = {place + 1 for place in fitting} | {place for place in fitting if atoms[place].may_repeat}
        places = _reached(atoms, after)
    return None if len(atoms) in places else _told(_wanted(atoms, places), "nothing", seen)


def _reached(atoms: Sequence[_Atom], places: set[int]) -> set[int]:
    """These places, and those behind what may be missing."""
    reached = set(places)
    for place in range(len(atoms)):
        if place in reached and atoms[place].may_miss:
            reached.add(place + 1)
    return reached


def _wanted(atoms: Sequence[_Atom], places: set[int]) -> list[str]:
    states = [atoms[place].state for place in sorted(places) if place < len(atoms)]
    return list(dict.fromkeys(state for state in states if state))


def _told(wanted: Sequence[str], came: str, seen: Sequence[str]) -> str:
    if not wanted:
        return f"{came} came on top"
    if not any(state in seen for state in wanted):
        return f"{' or '.join(wanted)} never came"
    return f"{came} came instead of {' or '.join(wanted)}"


#: Celery's own, and what people call them.
_CALLED: Final = {
    "PENDING": (),
    "RECEIVED": (),
    "STARTED": ("RUNNING",),
    "RETRY": ("RETRIED", "RETRYING"),
    "SUCCESS": ("SUCCEEDED", "SUCCESSFUL", "DONE", "COMPLETE", "COMPLETED", "FINISHED"),
    "FAILURE": ("FAIL", "FAILD", "FAILED", "FAILING", "ERROR"),
    "REVOKED": ("CANCELED", "CANCELLED", "EXPIRED"),
    "IGNORED": (),
    "REJECTED": (),
}


def meant(state: str) -> str:
    """Celery's state that another name may stand for; empty for Celery's own, and what is like none of them.

    A name that a task has stored is the user's own, whatever it is like: that is for the caller to look at.

    >>> meant("SUCESS"), meant("failed"), meant("FAIL"), meant("PACKING"), meant("SUCCESS")
    ('SUCCESS', 'FAILURE', 'FAILURE', '', '')
    """
    if state in _CALLED:
        return ""
    upper = state.upper()
    called = [name for name, others in _CALLED.items() if upper in others]
    return next(iter([*called, *get_close_matches(upper, _CALLED, n=1, cutoff=0.8)]), "")


def hints(names: Iterable[str], stored: Iterable[str]) -> list[str]:
    """What is to be said of names that no task has stored and that look like Celery's own.

    >>> hints(["STEP_2", "SUCESS"], ["STEP_1", "SUCCESS"])
    ["no task stored 'SUCESS': did you mean 'SUCCESS'?"]
    """
    known = set(stored)
    asked = {name: meant(name) for name in names if name not in known}
    return [f"no task stored {name!r}: did you mean {other!r}?" for name, other in asked.items() if other]


def shown(pattern: Iterable[Element]) -> str:
    """A pattern as messages show it.

    >>> shown(["STARTED", ..., times("RETRY", 2, 5), "SUCCESS"])
    'STARTED -> ... -> RETRY x 2-5 -> SUCCESS'
    """
    return " -> ".join("..." if isinstance(element, EllipsisType) else str(element) for element in pattern)
