"""Waiting for what tells nobody that it has happened."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask until *condition* holds, at most for *seconds*; gives whether it did.

    >>> wait_until(lambda: True, 0), wait_until(lambda: False, 0)
    (True, False)
    """
    end, pause = time.monotonic() + seconds, 0.001
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)
    return True
