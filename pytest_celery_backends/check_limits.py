"""How long a check may take, and how long the failures of one backend: a kit that never ends says nothing."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

import pytest

#: Seconds for each of a check's set-up, call and tear-down.
LIMIT: Final = 30.0
#: Seconds that failures may take on one backend without a check between them that passes.
PATIENCE: Final = 60.0
#: Seconds after which it is tried again to end what has caught the first try.
AGAIN: Final = 2.0


@contextmanager
def limited(what: str, seconds: float) -> Iterator[None]:
    """Fail what takes longer, also where it waits for a lock or a socket; in the main thread, where tests run.

    A timer that somebody else has set, as pytest-timeout does, goes on afterwards.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        at = f"{frame.f_code.co_filename}:{frame.f_lineno}, in {frame.f_code.co_name}" if frame else "?"
        pytest.fail(f"{what} took more than {seconds:g} s\n  it was at: {at}", pytrace=False)

    began = time.monotonic()
    before = signal.signal(signal.SIGALRM, end)
    others, every = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if others:
            signal.setitimer(signal.ITIMER_REAL, max(others - (time.monotonic() - began), 0.001), every)


@dataclass(kw_only=True)
class _Failing:
    """The failures of a backend since a check last passed on it."""

    seconds: float = 0.0
    checks: list[str] = field(default_factory=list)


class Patience:
    """Whether it makes sense to go on with a backend.

    >>> patience = Patience(60)
    >>> patience.note("acme", "test_a", 30, failed=True)
    >>> patience.note("acme", "test_b", 30, failed=True)
    >>> patience.why_not("acme")
    'the 2 checks before it failed and took 60 s: test_a, test_b'
    """

    def __init__(self, seconds: float) -> None:
        self._limit = seconds
        self._failing: MutableMapping[str, _Failing] = {}

    def note(self, backend: str, check: str, seconds: float, *, failed: bool) -> None:
        """Note how long a check took, and how it went."""
        if not failed:
            self._failing.pop(backend, None)
            return
        failing = self._failing.setdefault(backend, _Failing())
        if failing.seconds >= self._limit:
            return  # it was given up already, and did not run
        failing.seconds += seconds
        if check not in failing.checks:
            failing.checks.append(check)

    def why_not(self, backend: str) -> str:
        """Why no more checks should run on a backend; empty where they should."""
        failing = self._failing.get(backend)
        if failing is None or failing.seconds < self._limit:
            return ""
        names = ", ".join([*failing.checks[:3], *(["..."] if len(failing.checks) > 3 else [])])
        return f"the {len(failing.checks)} checks before it failed and took {failing.seconds:.0f} s: {names}"
