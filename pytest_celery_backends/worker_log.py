"""What Celery logged while a test ran, INFO included, without changing what the test's own logging sees."""

from __future__ import annotations

import logging
import time
from typing import Final

#: Below the level of every handler.
HIDDEN: Final = -1

#: The tap's own level: INFO, and to be told from an INFO that the test sets.
TAP: Final = logging.INFO - 1


class WorkerLog(logging.Handler):
    """Taps the ``celery`` logger.

    Its level is lowered while the tap is open; records below what was in force before are hidden from
    the handlers further up, so that ``caplog`` and the application's own handlers get what they always
    get. Each task logs twice and hardly a log is read, so the lines are made when it is.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._logged: list[tuple[float, str, str]] = []
        self._logger = logging.getLogger("celery")
        self._level = logging.NOTSET

    @property
    def text(self) -> str:
        """What was logged since it was opened."""
        return "\n".join(
            f"{time.strftime('%H:%M:%S', time.localtime(created))}.{int(created % 1 * 1000):03} {level:7} {message}"
            for created, level, message in list(self._logged)
        )

    def open(self) -> None:
        """Start with an empty log."""
        self._logged.clear()
        self._level = self._logger.level
        self._logger.handlers.insert(0, self)  # before any that would see what is hidden here
        self._logger.setLevel(min(TAP, self._level or TAP))

    def close_tap(self) -> None:
        """Put the logger back; the lines stay."""
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)

    def handle(self, record: logging.LogRecord) -> bool:
        """What ``logging`` calls; it needs no lock and has no filters."""
        try:
            has_more = record.exc_info or record.stack_info
            message = self.format(record) if has_more else record.getMessage()
        except Exception:  # a task logged what cannot be formatted, which ends no task elsewhere either
            self.handleError(record)
        else:
            self._logged.append((record.created, record.levelname, message))
        if record.levelno < self._in_force():
            record.levelno = HIDDEN
        return True

    def _in_force(self) -> int:
        """The level that the ``celery`` logger would have, were it not for the tap."""
        if self._logger.level not in (
            TAP,
            self._level,
        ):  # the test has set one: caplog.set_level(..., "celery")
            return self._logger.level
        parent = self._logger.parent
        return self._level or (parent.getEffectiveLevel() if parent else logging.WARNING)
