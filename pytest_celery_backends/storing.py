"""A store that is under way, and what is held after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .copies import copied
from .stored_requests import request_fields
from .timeline import Observation

#: Stands for what a store has not read.
UNREAD: Final = object()


@dataclass(kw_only=True)
class Storing:
    """A store that is under way; ``earlier`` says how many of the task had returned when it began."""

    task_id: str
    began: float
    earlier: int
    returned: float = 0.0
    before: Any = UNREAD  #: what the store itself read first, as the driver gives it
    is_open: bool = False  #: what is held after it is yet to be seen
    held: str | None = None

    def observation(
        self, given: Mapping[str, Any], zero: float, error: str, *, is_after_forget: bool
    ) -> Observation:
        """What is known of the store that has returned; *given* are the arguments of ``store_result``."""
        request = given.get("request")
        moment = self.returned or time.monotonic()
        return Observation(
            task_id=self.task_id,
            state=given["state"],
            value=copied(given.get("result")),
            traceback=given.get("traceback"),
            at=moment - zero,
            moment=moment,
            began=self.began,
            thread=threading.current_thread().name,
            error=error,
            attempt=None if request is None else (getattr(request, "retries", 0) or 0) + 1,
            children=tuple(child.id for child in getattr(request, "children", None) or ()),
            request=request_fields(request),
            is_after_forget=is_after_forget,
            instead=None if self.held == given["state"] else self.held,
        )


def told(held: Callable[[], str]) -> str:
    """What is held, or why that cannot be read."""
    try:
        return held()
    except Exception as error:  # drivers raise what they like, and it is not the task that failed
        return f"unreadable: {error!r}"
