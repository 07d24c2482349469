"""What Celery logged while a test ran, INFO included, without changing what the test's own logging sees."""

from __future__ import annotations

import logging
from typing import Final

FORMAT: Final = "%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s"

#: Below the level of every handler.
HIDDEN: Final = -1

#: The tap's own level: INFO, and to be told from an INFO that the test sets.
TAP: Final = logging.INFO - 1


class WorkerLog(logging.Handler):
    """Taps the ``celery`` logger.

    Its level is lowered while the tap is open; records below what was in force before are hidden from
    the handlers further up, so that ``caplog`` and the application's own handlers get what they always
    get.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter(FORMAT, "%H:%M:%S"))
        self.lines: list[str] = []
        self._logger = logging.getLogger("celery")
        self._level = logging.NOTSET

    @property
    def text(self) -> str:
        """What was logged since it was opened."""
        return "\n".join(self.lines)

    def open(self) -> None:
        """Start with an empty log."""
        self.lines.clear()
        self._level = self._logger.level
        self._logger.handlers.insert(0, self)  # before any that would see what is hidden here
        self._logger.setLevel(min(TAP, self._level or TAP))

    def close_tap(self) -> None:
        """Put the logger back; the lines stay."""
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
        if record.levelno < self._in_force():
            record.levelno = HIDDEN

    def _in_force(self) -> int:
        """The level that the ``celery`` logger would have, were it not for the tap."""
        if self._logger.level not in (
            TAP,
            self._level,
        ):  # the test has set one: caplog.set_level(..., "celery")
            return self._logger.level
        parent = self._logger.parent
        return self._level or (parent.getEffectiveLevel() if parent else logging.WARNING)
