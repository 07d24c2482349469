"""When a result goes, by the mechanism that its backend has, without waiting for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from ..beat import CLEANUP, beat_schedule_has_cleanup
from ..capabilities import Capability
from ..errors import Unsupported
from ..lease import Lease
from ..periods import seconds_of
from ..spec import Copied, StoredResult
from .entries import held_entries
from .subject import Subject, failed

#: By then whatever can go has gone, and no date is one that a database refuses.
_YEARS: Final = 40
_LONG: Final = _YEARS * 365.25 * 86400.0
#: What is stored under one of these kinds can be copied and aged.
_COPIED: Final[dict[str, Copied]] = {"task": "task", "group": "group"}
#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def assert_expires(
    lease: Lease, subject: Subject, result: Any, after: float | timedelta, tolerance: float
) -> None:
    """Assert that a result goes *after* seconds after it was stored."""
    seconds = seconds_of(after, "assert_expires(result, after={})")
    for entry in held_entries(result, lease, subject, f"to go {seconds:g} s after it was stored"):
        name = f"{_kind(entry)} {subject.short(entry.task_id or entry.key)}"
        if entry.kind == "message":
            _check_queue(lease, name, entry, seconds)
        elif not lease.spec.verdict(Capability.EXPIRY):
            raise _cannot(lease, f"assert_expires(result, after={seconds:g})")
        elif lease.app.backend.supports_autoexpire:
            _check_time_to_live(name, entry.expires_in, seconds, tolerance)
            _check_copies(lease, name, entry, seconds, tolerance, "its time to live")
        else:
            _check_copies(lease, name, entry, seconds, tolerance, CLEANUP)


def assert_never_expires(lease: Lease, subject: Subject, result: Any) -> None:
    """Assert that nothing ever removes a result."""
    for entry in held_entries(result, lease, subject, "to stay for ever"):
        name = f"{_kind(entry)} {subject.short(entry.task_id or entry.key)}"
        if entry.kind == "message":
            limit = _idle_limit(lease, entry)
            if limit is not None:
                raise failed(f"{name} goes", [_observed_queue(entry, limit)])
        elif lease.app.backend.supports_autoexpire and entry.expires_in is not None:
            raise failed(f"{name} goes", [("observed", f"{entry.expires_in:.3f} s left to live")])
        else:
            _check_stays(lease, name, entry)


def expires_in(lease: Lease, subject: Subject, result: Any) -> float | None:
    """The seconds until a result goes; of a group, until the first of what it consists of does."""
    found = held_entries(result, lease, subject, "to be stored")
    left = [one.expires_in for one in found if one.expires_in is not None]
    return min(left, default=None)


def assert_nothing_outlives(
    lease: Lease, subject: Subject, period: float | timedelta, ignore: Sequence[str]
) -> None:
    """Assert that all that is stored in the namespace goes within a period."""
    seconds = seconds_of(period, "assert_nothing_outlives({})")
    stored = [one for one in lease.probe.stored() if not {one.kind, one.task_id} & set(ignore)]
    if not lease.spec.verdict(Capability.EXPIRY) and any(one.kind != "message" for one in stored):
        raise _cannot(lease, f"assert_nothing_outlives({seconds:g})")
    found = [(one, _idle_limit(lease, one) if one.kind == "message" else one.expires_in) for one in stored]
    rows = [
        ("never goes" if left is None else f"goes in {left:.0f} s", str(one))
        for one, left in found
        if left is None or left > seconds
    ]
    if rows:
        things = "entry outlives" if len(rows) == 1 else "entries outlive"
        raise failed(f"{len(rows)} {things} {seconds:g} s on {subject}", rows[:10])


def _kind(entry: StoredResult) -> str:
    return "task" if entry.kind == "message" else entry.kind


def _cannot(lease: Lease, call: str) -> Unsupported:
    reason = lease.spec.verdict(Capability.EXPIRY).reason
    return lease.unsupported(
        Unsupported(
            f"{call} is not possible on {lease.spec.name}: {reason}",
            remedy='@pytest.mark.backend_requires("expiry")',
        )
    )


# -- queues


def _idle_limit(lease: Lease, entry: StoredResult) -> float | None:
    ask = getattr(lease.probe, "idle_limit", None)
    limit: float | None = ask(entry.key) if ask else entry.expires_in
    return limit


def _observed_queue(entry: StoredResult, limit: float | None) -> tuple[str, str]:
    told = "no limit" if limit is None else f"{limit:g} s"
    return "observed", f"{told} for which reply queue {entry.key} may be idle"


def _check_queue(lease: Lease, name: str, entry: StoredResult, after: float) -> None:
    """A broker removes the queue with all that is in it, by ``x-expires``, once nobody has used it for so long."""
    limit = _idle_limit(lease, entry)
    if limit != after:
        wanted = f"{after:g} s for which its reply queue may be idle (x-expires)"
        raise failed(f"{name} expires at another time", [("expected", wanted), _observed_queue(entry, limit)])


# -- times to live, and cleanup


def _check_time_to_live(name: str, left: float | None, after: float, tolerance: float) -> None:
    if left is None:
        rows = [("expected", f"a time to live of {after:g} s"), ("observed", "none")]
        raise failed(f"{name} never expires", rows)
    if not after - tolerance <= left <= after:
        wanted = f"a time to live of {after:g} s (up to {tolerance:g} s of it may have passed)"
        rows = [("expected", wanted), ("observed", f"{left:.3f} s")]
        raise failed(f"{name} expires at another time", rows)


def _check_copies(
    lease: Lease, name: str, entry: StoredResult, after: float, tolerance: float, mechanism: str
) -> None:
    """Two copies of the record, a little younger and a little older than *after*: the mechanism has to tell."""
    if entry.kind not in _COPIED or not lease.spec.verdict(Capability.TIME_TRAVEL):
        _check_time_to_live(name, entry.expires_in, after, tolerance)
        return
    kept_at, gone_at = after - tolerance, after + tolerance
    ages = (gone_at, kept_at) if kept_at > 0 else (gone_at,)  # what goes at once is kept at no age
    with _copies(lease, entry, ages) as (older, *younger):
        problem = _cleanup_problem(lease)
        kept = {one.task_id for one in lease.probe.stored()}
    if problem:
        raise failed(f"{name} does not go, for {CLEANUP} fails", [("observed", problem)])
    if not kept.issuperset(younger):
        wanted = f"kept by {mechanism} when {kept_at:g} s old"
        raise failed(f"{name} goes too early", [("expected", wanted), ("observed", "removed")])
    if older in kept:
        wanted = f"removed by {mechanism} when {gone_at:g} s old"
        raise failed(f"{name} does not go", [("expected", wanted), ("observed", "kept")])


def _check_stays(lease: Lease, name: str, entry: StoredResult) -> None:
    """A copy is aged by decades; where nothing ages, the record itself has to outlive cleanup."""
    ages = entry.kind in _COPIED and lease.spec.verdict(Capability.EXPIRY)
    can_age = ages and lease.spec.verdict(Capability.TIME_TRAVEL)
    with _copies(lease, entry, (_LONG,) if can_age else ()) as copies:
        problem = _cleanup_problem(lease)
        kept = {one.task_id for one in lease.probe.stored()}
    if not {entry.task_id, *copies} <= kept:
        raise failed(f"{name} goes", [("observed", f"removed by {CLEANUP} within {_YEARS} years")])
    if problem and beat_schedule_has_cleanup(lease.app):
        raise failed(f"{name} stays, for {CLEANUP} fails", [("observed", problem)])


@contextmanager
def _copies(lease: Lease, entry: StoredResult, ages: Sequence[float]) -> Iterator[list[str]]:
    """Copies of an entry that are so many seconds older; they are removed again."""
    copies: list[str] = []
    kind = _COPIED.get(entry.kind, "task")
    # a third party's probe may know nothing of groups
    how: tuple[Copied, ...] = () if kind == "task" else (kind,)
    try:
        for age in ages:
            copies.append(lease.probe.aged_copy(entry.task_id, age, *how))
        yield copies
    finally:
        for copy in copies:
            lease.probe.remove(copy, *how)


def _cleanup_problem(lease: Lease) -> str:
    """Run cleanup, as its task does; gives what went wrong, empty where nothing did."""
    try:
        lease.app.backend.cleanup()
    except Exception as error:  # a backend raises what it likes, and that is what is to be told
        return f"{type(error).__name__}: {error}"
    return ""
