"""How long a wait lasts. The time that somebody spends at the prompt of a debugger is no part of it."""

from __future__ import annotations

import functools
import threading
import time
from typing import Any, Final

#: How long one step of a wait lasts while a prompt is open, in seconds; then it is looked whether it still is.
_STEP: Final = 0.05


class _Prompts:
    """The debugger's prompts of this process, in whatever thread: how many are open, and how long any was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spent = 0.0
        self._since = 0.0
        self.open = 0

    def entered(self) -> None:
        with self._lock:
            self.open += 1
            if self.open == 1:
                self._since = time.monotonic()

    def left(self) -> None:
        with self._lock:
            self.open -= 1
            if not self.open:
                self._spent += time.monotonic() - self._since

    @property
    def seconds(self) -> float:
        """How long there was a prompt so far."""
        with self._lock:
            return self._spent + (time.monotonic() - self._since if self.open else 0.0)


_prompts: Final = _Prompts()


def clock() -> float:
    """Monotonic seconds that stand still while a prompt is open."""
    return time.monotonic() - _prompts.seconds


def watch_prompts(debugger: Any) -> None:
    """Have the clock stand still while this debugger, a ``pdb.Pdb``, asks what to do."""
    interaction = getattr(debugger, "interaction", None)
    if interaction is None:
        return

    @functools.wraps(interaction)
    def watched(*args: Any, **kwargs: Any) -> Any:
        _prompts.entered()
        try:
            return interaction(*args, **kwargs)
        finally:
            _prompts.left()

    debugger.interaction = watched


class Limit:
    """A number of seconds from now on.

    >>> limit = Limit(0)
    >>> limit.is_over, limit.left
    (True, 0.0)
    """

    def __init__(self, seconds: float) -> None:
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        """The seconds that the next step of a wait may take, none below zero."""
        return max(self._end - clock(), _STEP if _prompts.open else 0.0)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self.left <= 0
