"""What goes wrong, told in at most six lines: the cause, what was tried, and what to type next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MAX_LINES: Final = 6


class BackendsError(Exception):
    """An error that a user can act on.

    Arguments:
        cause: one line that says what was seen.
        tried: lines that say what was tried or looked at; those that do not fit are counted.
        remedy: the last line: something to type.
        log: output of a server, or where tasks are; shown apart from the message.

    >>> print(BackendsError("no backend is called 'redsi'", remedy='--celery-backends=redis'))
    no backend is called 'redsi'
      type: --celery-backends=redis
    """

    log_title = "server log"

    def __init__(self, cause: str, *, tried: Sequence[str] = (), remedy: str, log: str = "") -> None:
        self.cause = cause
        self.tried = tuple(tried)
        self.remedy = remedy
        self.log = log
        super().__init__(cause, self.tried, remedy)

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (type(self), self.cause, self.tried, self.remedy, self.log)

    def __str__(self) -> str:
        room = MAX_LINES - 2
        tried = self.tried
        if len(tried) > room:
            left_out = len(tried) - room + 1
            tried = (*tried[: room - 1], f"... and {left_out} more")
        return "\n".join([self.cause, *(f"  {line}" for line in tried), f"  type: {self.remedy}"])


def _again(
    kind: type[BackendsError], cause: str, tried: Sequence[str], remedy: str, log: str
) -> BackendsError:
    """An error that comes from another process."""
    return kind(cause, tried=tried, remedy=remedy, log=log)


class UnknownBackend(BackendsError):
    """A name that no spec has."""


class BadOption(BackendsError):
    """A value that an option does not take."""


class BadMarker(BackendsError):
    """A marker whose arguments do not fit."""


class BadSettings(BackendsError):
    """Settings that no test can have."""


class AppNotFound(BackendsError):
    """``celery_backends_app`` leads to nothing that is a Celery app."""


class Unavailable(BackendsError):
    """The backend cannot be had here: nothing was started, or nothing could be."""


class StartFailed(Unavailable):
    """A server was started (or spoken to) and did not become ready."""


class NotPulled(StartFailed):
    """The server's image is not here, and no registry gave it: nothing was started."""


class NotInstalled(BackendsError):
    """An optional package is needed and not there; the remedy names the extra that brings it."""


class WorkerFailed(BackendsError):
    """The in-process worker did not start, did not stop, or lost a task."""

    log_title = "running tasks"


class NotShared(BackendsError):
    """Something that belongs to one process was used in another."""


class WaitTimeout(BackendsError):
    """A wait that reached its limit."""

    log_title = "running tasks"


class Unsupported(BackendsError):
    """The backend cannot do what a test asks of it: the test is neither passed nor failed."""


def last_lines(text: str, count: int = 20) -> str:
    """The last *count* lines of a server's output.

    >>> last_lines("a\\nb\\nc", 2)
    'b\\nc'
    """
    return "\n".join(text.rstrip().splitlines()[-count:])
