"""A store of a result, from when it begins, and what is held after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from .comparison import shown
from .copies import copied
from .stored_requests import Snapshot, snapshot
from .timeline import Observation

#: Stands for what has not been read.
UNREAD: Final = object()


@dataclass
class Storing:
    """A store that is under way, or has returned; ``earlier`` says how many of the task had returned when it began.

    It is noted down while a task runs and somebody waits for its result: what takes time is left to ``observation``.
    """

    task_id: str
    began: float
    earlier: int
    returned: float = field(default=0.0, init=False)
    before: Any = field(default=UNREAD, init=False)  #: what the store read first, as the driver gives it
    after: Any = field(default=UNREAD, init=False)  #: what was held after it, in the same way
    held: str | None = field(default=None, init=False)  #: the state that was held after it
    is_open: bool = field(default=False, init=False)  #: what is held after it is yet to be seen
    state: str = field(default="", init=False)
    error: str = field(default="", init=False)
    is_after_forget: bool = field(default=False, init=False)
    _value: Any = field(default=None, init=False, repr=False)
    _traceback: str | None = field(default=None, init=False, repr=False)
    _request: Snapshot | None = field(default=None, init=False, repr=False)
    _thread: threading.Thread | None = field(default=None, init=False, repr=False)

    def keep(self, state: str, value: Any, traceback: str | None, request: Any, error: str) -> None:
        """Note what was given to ``store_result``, which has returned or raised *error*, as it is now."""
        self.returned = self.returned or time.monotonic()
        self.state, self.error = state, error
        self._value, self._traceback, self._request = copied(value), traceback, snapshot(request)
        self._thread = threading.current_thread()

    def observation(self, zero: float, state_in: Callable[[Any], str] | None) -> Observation:
        """What is known of the store now.

        Arguments:
            zero: when the task was published, on the clock of ``time.monotonic()``.
            state_in: gives the state in what a driver has read.
        """
        if self.after is not UNREAD and state_in is not None:
            self.held, self.after = state_in(self.after), UNREAD
        request = self._request
        return Observation(
            task_id=self.task_id,
            state=self.state,
            value=self._value,
            traceback=self._traceback,
            at=self.returned - zero,
            moment=self.returned,
            began=self.began,
            thread=self._thread.name if self._thread else "",
            error=self.error,
            attempt=None if request is None else request.attempt,
            children=() if request is None else tuple(task_id for task_id, _ in request.children),
            request=None if request is None else request.fields,
            is_after_forget=self.is_after_forget,
            instead=None if self.held == self.state else self.held,
        )


def told(held: Callable[[], str]) -> str:
    """What is held, or why that cannot be read."""
    try:
        return held()
    except Exception as error:  # drivers raise what they like, and it is not the task that failed
        return f"unreadable: {shown(error)}"
