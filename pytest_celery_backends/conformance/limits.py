"""How long checks wait, and for what."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds for what takes milliseconds, on a machine that has other things to do.
LIMIT = 10.0
#: Seconds for a hundred tasks, for much text or for fifty clients, on such a machine.
LONG = 30.0
#: Seconds for the answer of a store where all tasks have ended.
ANSWER = 5.0
#: Seconds for an answer that is already there, and for being sure that none comes.
SHORT = 0.2


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition that nothing wakes us for; fails after ``LIMIT`` seconds, saying what never came."""
    end, pause = time.monotonic() + LIMIT, 0.001
    while not condition():
        assert time.monotonic() < end, f"no {what} within {LIMIT:g} s"
        time.sleep(pause)  # ever longer: looking takes its time from who is waited for
        pause = min(2 * pause, 0.05)
