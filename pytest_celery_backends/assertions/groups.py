"""Whether groups are complete, and chords ran their body once."""

from __future__ import annotations

import time
from typing import Any

from celery import states

from ..capabilities import Capability
from ..lease import Lease
from .states import ended, must_end, state_in_store
from .subject import Subject, failed, task_id_of

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def assert_group_complete(lease: Lease, subject: Subject, result: Any, timeout: float) -> None:
    """Assert that each member of a group succeeded, and that the store holds each as it ended."""
    members = [task_id_of(member, lease) for member in _members(result)]
    until = time.monotonic() + timeout
    rows = []
    for task_id in members:
        timeline = ended(lease, task_id, max(0.0, until - time.monotonic()))
        stored = (
            state_in_store(lease.probe, task_id) if lease.spec.verdict(Capability.REREAD) else states.SUCCESS
        )
        if [timeline.states[-1:], stored] != [[states.SUCCESS], states.SUCCESS]:
            rows.append((task_id[:8], f"{timeline}; the store holds {stored or 'nothing'}"))
    if rows:
        headline = (
            f"{len(rows)} of {len(members)} members of group {subject.short(task_id_of(result, lease))}"
        )
        raise failed(f"{headline} are not complete", rows[:10])


def _members(result: Any) -> list[Any]:
    if not hasattr(result, "results"):
        raise failed(f"{result!r} is no group", [("takes", "a GroupResult: what group(...).delay() gives")])
    return list(result.results)


def assert_chord_ran_once(lease: Lease, subject: Subject, result: Any, timeout: float) -> None:
    """Assert that a chord's body ran, once, and after every task of its header had ended."""
    task_id = task_id_of(result, lease)
    timeline = must_end(lease, subject, task_id, timeout)
    worker = lease.worker
    if worker is not None:  # a second run may be under way
        worker.wait_until(lambda: not worker.has_work, timeout)
    timeline = lease.recorder.timeline(task_id)
    ends = [seen for seen in timeline if seen.state in states.READY_STATES and not seen.error]
    if len(ends) != 1:
        raise failed(
            f"the body of chord {subject.short(task_id)} ended {len(ends)} times",
            [("observed", str(timeline))],
        )
