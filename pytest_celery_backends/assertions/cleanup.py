"""What is left in the store: of one task, and of the whole test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..lease import Lease
from .subject import Subject, failed, task_id_of

#: How long a task may take to end after its result was stored.
FINISH_SECONDS: Final = 1.0
#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def assert_forgotten(lease: Lease, subject: Subject, result: Any) -> None:
    """Assert that the store holds nothing for a result; for a group, nothing for its members either."""
    task_id = task_id_of(result, lease)
    gone = {task_id, *(member.id for member in getattr(result, "results", ()))}
    left = [one for one in lease.probe.stored() if one.task_id in gone and one.kind != "other"]
    if left:
        raise failed(
            f"{subject.short(task_id)} was not forgotten", [("still stored", str(one)) for one in left[:10]]
        )


def assert_no_leftovers(lease: Lease, subject: Subject, ignore: Sequence[str]) -> None:
    """Assert that the test's namespace is empty: no result, no group, no chord counter, no message.

    A message is acknowledged a moment after its result is stored: a task that runs is waited for, within a limit.
    """
    worker = lease.worker
    if worker:
        worker.wait_until(lambda: not worker.is_busy, FINISH_SECONDS)
    left = [
        one for one in lease.probe.stored() if not any(word in (one.kind, one.task_id) for word in ignore)
    ]
    waiting = worker.waiting_messages if worker else []
    rows = [("left", str(one)) for one in left] + [
        ("left", f"message in queue {queue!r}") for queue in waiting
    ]
    if rows:
        things = "leftover" if len(rows) == 1 else "leftovers"
        raise failed(f"{len(rows)} {things} on {subject}", rows[:10])
