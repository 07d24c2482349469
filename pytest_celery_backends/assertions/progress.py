"""What a task reports while it runs, in states of its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

from celery import states

from ..lease import Lease
from ..timeline import Observation
from .keeping import check_kept
from .states import must_end
from .subject import Subject, failed, known_task_id

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def assert_progress(
    lease: Lease, subject: Subject, result: Any, key: str, increasing: bool, timeout: float
) -> None:
    """Assert that a task stored states of its own, each with *key* in its meta, and in no attempt a smaller one."""
    task_id = known_task_id(result, lease)
    timeline = must_end(lease, subject, task_id, timeout)
    reports = [seen for seen in timeline if seen.state not in states.ALL_STATES]
    problem = "stored no state of its own" if not reports else _lack(reports, key)
    if increasing and not problem:
        attempts = [list(group) for _, group in groupby(reports, key=lambda seen: seen.attempt)]
        problem = next(filter(None, (_step_back(attempt, key) for attempt in attempts)), "")
    if problem:
        raise failed(f"task {subject.short(task_id)} {problem}", [("observed", str(timeline))])
    check_kept(lease, subject, timeline, *(seen.state for seen in reports))


def _lack(reports: Sequence[Observation], key: str) -> str:
    for seen in reports:
        if seen.error:
            return f"reported {seen.state} in vain: {seen.error}"
        if not isinstance(seen.value, dict) or key not in seen.value:
            return f"reported {seen.state} without {key!r}: {seen.value!r}"
    return ""


def _step_back(reports: Sequence[Observation], key: str) -> str:
    """What is wrong with the values of one attempt: a retry starts over."""
    values = [seen.value[key] for seen in reports]
    listed = f"{key} was {', '.join(map(repr, values))}"
    for before, after in pairwise(values):
        try:
            if after < before:
                return f"went back: {listed}"
        except TypeError:
            return f"reported what has no order: {listed}"
    return ""
