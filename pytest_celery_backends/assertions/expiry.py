"""When a result goes, by the mechanism that its backend has, without waiting for it."""

from __future__ import annotations

from typing import Any

from ..capabilities import Capability
from ..lease import Lease
from .subject import Subject, failed, task_id_of

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def assert_expires(lease: Lease, subject: Subject, result: Any, after: float, tolerance: float) -> None:
    """Assert that a result goes *after* seconds after it was stored."""
    task_id = task_id_of(result, lease)
    named = subject.short(task_id)
    verdict = lease.spec.verdict(Capability.EXPIRY)
    if not verdict:
        raise failed(f"task {named} does not expire", [("reason", verdict.reason)])
    found = next((one for one in lease.probe.stored() if one.task_id == task_id and one.kind == "task"), None)
    if found is None:
        raise failed(
            f"task {named} is not stored, so nothing can expire", [("expected after", f"{after:g} s")]
        )
    if lease.app.backend.supports_autoexpire:
        _check_time_to_live(named, found.expires_in, after, tolerance)
    else:
        _check_cleanup(lease, named, task_id, after, tolerance)


def _check_time_to_live(named: str, expires_in: float | None, after: float, tolerance: float) -> None:
    if expires_in is None:
        raise failed(
            f"task {named} never expires",
            [("expected", f"a time to live of {after:g} s"), ("observed", "none")],
        )
    if not after - tolerance <= expires_in <= after:
        raise failed(
            f"task {named} expires at another time",
            [
                ("expected", f"a time to live of {after:g} s (up to {tolerance:g} s of it may have passed)"),
                ("observed", f"{expires_in:.3f} s"),
            ],
        )


def _check_cleanup(lease: Lease, named: str, task_id: str, after: float, tolerance: float) -> None:
    """Two copies of the record, a little younger and a little older than *after*: cleanup has to tell."""
    younger = lease.probe.aged_copy(task_id, after - tolerance)
    older = lease.probe.aged_copy(task_id, after + tolerance)
    try:
        lease.app.backend.cleanup()
        kept = {one.task_id for one in lease.probe.stored()}
    finally:
        lease.probe.remove(younger)
        lease.probe.remove(older)
    if younger not in kept:
        raise failed(
            f"task {named} goes too early",
            [
                ("expected", f"kept by celery.backend_cleanup when {after - tolerance:g} s old"),
                ("observed", "removed"),
            ],
        )
    if older in kept:
        raise failed(
            f"task {named} does not go",
            [
                ("expected", f"removed by celery.backend_cleanup when {after + tolerance:g} s old"),
                ("observed", "kept"),
            ],
        )
