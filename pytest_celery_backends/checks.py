"""What makes a test a check of the conformance kit: the capability that it is about, and who is known to differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from .capabilities import Capability, Verdict, written

#: What a check is about that every result backend does.
CORE: Final = "core"

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """A verdict of some backends on one check, from a release of Celery on, and before another.

    ``place`` is where that is written.
    """

    backends: tuple[str, ...]
    verdict: Verdict
    since: tuple[int, int]
    until: tuple[int, int]
    place: str

    def covers(self, backend: str, release: tuple[int, int]) -> bool:
        """Whether it is about a backend under a release of Celery."""
        return backend in self.backends and self.since <= release < self.until

    def __str__(self) -> str:
        return f"except_on({', '.join(map(repr, self.backends))}, ...)"


@dataclass(kw_only=True)
class Check:
    """What the decorators note on a function; ``capability`` is None for what every backend does."""

    capability: Capability | None = None
    is_complete: bool = False
    exemptions: list[Exemption] = field(default_factory=list)


def check(capability: str) -> Callable[[Function], Function]:
    """Make a test a check of the conformance kit.

    Arguments:
        capability: a label of ``Capability``, such as "chords", or "core" for what every result backend does.

    Raises TypeError where there is no such capability, and for a function without a docstring: that names the
    document of Celery that the check rests on.

    >>> @check("chords")
    ... def test_a_body_runs_once(result_backend):
    ...     '''userguide/canvas, Chords.'''
    >>> check_of(test_a_body_runs_once).capability.label
    'chords'
    """
    about = None if capability == CORE else _capability(capability)

    def noted(function: Function) -> Function:
        if not (function.__doc__ or "").strip():
            raise TypeError(f"{function.__name__} names no document that it rests on: give it a docstring")
        found = _noted_on(function)
        found.capability, found.is_complete = about, True
        return function

    return noted


def except_on(
    *backends: str, verdict: Verdict, since: tuple[int, int] = (0, 0), until: tuple[int, int] = (99, 0)
) -> Callable[[Function], Function]:
    """Note that a check does not hold on some backends: ``no(reason)`` by design, ``not_yet(reason, issue)`` so far.

    The check still runs there, and is an error once it passes. ``YES`` says that it holds where the capability that it
    is about is declared to be lacking.

    Arguments:
        since: the first release of Celery that this is about, as (major, minor).
        until: the first one that it is not about any more.

    >>> from pytest_celery_backends import no
    >>> @except_on("acme", verdict=no("acme keeps the first state that it is given"))
    ... @check("core")
    ... def test_a_later_state_replaces_an_earlier_one(result_backend):
    ...     '''userguide/tasks, States.'''
    """
    exemption = Exemption(backends=backends, verdict=verdict, since=since, until=until, place=written(2))

    def noted(function: Function) -> Function:
        _noted_on(function).exemptions.append(exemption)
        return function

    return noted


def check_of(function: object) -> Check | None:
    """What was noted on a function, or on a method; None where it is no check."""
    found = getattr(function, _ATTRIBUTE, None)
    return found if isinstance(found, Check) and found.is_complete else None


_ATTRIBUTE: Final = "celery_backends_check"


def _noted_on(function: Any) -> Check:
    if _ATTRIBUTE not in vars(function):
        setattr(function, _ATTRIBUTE, Check())
    found: Check = getattr(function, _ATTRIBUTE)
    return found


def _capability(label: str) -> Capability:
    known = {each.label: each for each in Capability}
    if label in known:
        return known[label]
    close = get_close_matches(label, [CORE, *known], n=1)
    meant = f": did you mean {close[0]!r}?" if close else ""
    raise TypeError(f"no capability is called {label!r}{meant}")
