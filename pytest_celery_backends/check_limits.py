"""How long a check may take, and how long the failures of one backend: a kit that never ends says nothing."""

from __future__ import annotations

import signal
import threading
import time
from collections import defaultdict
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
#: Seconds that all failures on one backend may take: one that hangs now and then ends as well.
IN_ALL: Final = 480.0
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
    """Failures of a backend: how long they took, and which they were."""

    seconds: float = 0.0
    checks: list[str] = field(default_factory=list)

    def add(self, check: str, seconds: float) -> None:
        self.seconds += seconds
        if check not in self.checks:
            self.checks.append(check)

    def told(self, how_many: str) -> str:
        names = ", ".join([*self.checks[:3], *(["..."] if len(self.checks) > 3 else [])])
        return f"{how_many.format(len(self.checks))} failed and took {self.seconds:.0f} s: {names}"


class Patience:
    """Whether it makes sense to go on with a backend.

    Arguments:
        seconds: for failures in a row.
        in_all: seconds for all failures.

    >>> patience = Patience(60, in_all=80)
    >>> patience.note("acme", "test_a", 30, failed=True)
    >>> patience.note("acme", "test_b", 30, failed=True)
    >>> patience.why_not("acme")
    'the 2 checks before it failed and took 60 s: test_a, test_b'

    A check that passes starts a new row, and takes nothing off the sum:

    >>> patience.note("acme", "test_c", 1, failed=False)
    >>> patience.why_not("acme")
    ''
    >>> patience.note("acme", "test_d", 30, failed=True)
    >>> patience.why_not("acme")
    '3 checks so far failed and took 90 s: test_a, test_b, test_d'
    """

    def __init__(self, seconds: float, *, in_all: float) -> None:
        self._limits = seconds, in_all
        self._in_a_row: MutableMapping[str, _Failing] = defaultdict(_Failing)
        self._in_all: MutableMapping[str, _Failing] = defaultdict(_Failing)

    def note(self, backend: str, check: str, seconds: float, *, failed: bool) -> None:
        """Note how long a check took, and how it went."""
        if not failed:
            self._in_a_row.pop(backend, None)
        elif not self.why_not(backend):  # else it was given up already, and the check did not run
            self._in_a_row[backend].add(check, seconds)
            self._in_all[backend].add(check, seconds)

    def why_not(self, backend: str) -> str:
        """Why no more checks should run on a backend; empty where they should."""
        in_a_row, in_all = self._limits
        if self._in_a_row[backend].seconds >= in_a_row:
            return self._in_a_row[backend].told("the {} checks before it")
        if self._in_all[backend].seconds >= in_all:
            return self._in_all[backend].told("{} checks so far")
        return ""
