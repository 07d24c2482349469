"""Whether an app's beat would remove expired results, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from celery.beat import Scheduler

CLEANUP: Final = "celery.backend_cleanup"


@dataclass(frozen=True, kw_only=True)
class CleanupSchedule:
    """What beat does about cleanup; true where it sends the task at all.

    ``when`` is each schedule under which it is sent, in beat's own words. ``result_expires`` is in seconds, None
    where results are to stay. ``reason`` says why it is not sent, and is empty where it is.
    """

    when: tuple[str, ...]
    result_expires: float | None
    reason: str = ""

    def __bool__(self) -> bool:
        return bool(self.when)


def beat_schedule_has_cleanup(app: Any) -> CleanupSchedule:
    """What the beat of an app does about ``celery.backend_cleanup``: its own entry, and those of ``beat_schedule``.

    Beat adds one at four in the morning where results expire and the backend does not see to that itself
    (``Scheduler.install_default_entries`` in ``celery/beat.py``). A scheduler that keeps its entries elsewhere, as
    django-celery-beat's does, is not asked.

    >>> from celery import Celery
    >>> app = Celery("shop", backend="db+sqlite:///:memory:", set_as_current=False)
    >>> found = beat_schedule_has_cleanup(app)
    >>> bool(found), found.when, found.result_expires
    (True, ('<crontab: 0 4 * * * (m/h/dM/MY/d)>',), 86400.0)
    >>> app.conf.result_expires = None
    >>> beat_schedule_has_cleanup(app).reason
    'result_expires is None: results are to stay'
    """
    expires = app.conf.result_expires
    scheduler = Scheduler(app, schedule={}, lazy=True)
    # in the order of beat's own scheduler, PersistentScheduler
    scheduler.merge_inplace(app.conf.beat_schedule)
    scheduler.install_default_entries(scheduler.schedule)
    when = tuple(str(entry.schedule) for entry in scheduler.schedule.values() if entry.task == CLEANUP)
    seconds = expires.total_seconds() if isinstance(expires, timedelta) else expires
    return CleanupSchedule(
        when=when,
        result_expires=float(seconds) if seconds else None,
        reason="" if when else _reason(app, expires),
    )


def _reason(app: Any, expires: Any) -> str:
    if not expires:
        return f"result_expires is {expires!r}: results are to stay"
    if app.backend.supports_autoexpire:
        return f"{type(app.backend).__name__} says that results expire by themselves"
    return f"beat_schedule has {CLEANUP!r} for another task"
