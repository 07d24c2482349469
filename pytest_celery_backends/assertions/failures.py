"""What a task raised, as it comes back from the store."""

from __future__ import annotations

import re
from typing import Any

from celery import states

from ..comparison import difference
from ..lease import Lease
from .states import must_end
from .subject import Subject, failed, known_task_id

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def assert_raises_in_task(
    lease: Lease,
    subject: Subject,
    result: Any,
    expected: type[BaseException],
    match: str | None,
    timeout: float,
) -> BaseException:
    """Assert that a task failed with an exception that comes back as it was raised; gives what comes back."""
    task_id = known_task_id(result, lease)
    timeline = must_end(lease, subject, task_id, timeout)
    last = [seen for seen in timeline if not seen.error][-1]
    raised = last.value
    if last.state != states.FAILURE:
        wanted = expected.__qualname__
        raise failed(f"task {subject.short(task_id)} did not raise {wanted}", [("observed", str(timeline))])
    handle = result if hasattr(result, "get") else lease.app.AsyncResult(task_id)
    came_back = handle.get(timeout=timeout, propagate=False)
    rows = _wrong(raised, came_back, handle.traceback, expected, match)
    if rows:
        headline = f"task {subject.short(task_id)} failed, and not as {expected.__qualname__} comes back"
        raise failed(headline, rows)
    assert isinstance(came_back, BaseException)
    return came_back


def _wrong(
    raised: Any, came_back: Any, traceback: Any, expected: type[BaseException], match: str | None
) -> list[tuple[str, str]]:
    rows = [("raised", _described(raised)), ("came back", _described(came_back))]
    if not isinstance(came_back, expected):
        return [("expected", f"{expected.__module__}.{expected.__qualname__}"), *rows]
    if isinstance(raised, BaseException) and (parts := difference(raised.args, came_back.args, "args")):
        return [*rows, ("first difference", parts)]
    if match is not None and not re.search(match, str(came_back)):
        return [("expected", f"a text that matches {match!r}"), *rows]
    if type(came_back).__name__ not in str(traceback or ""):
        return [*rows, ("traceback", str(traceback or "none").strip().splitlines()[-1])]
    return []


def _described(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}: {value!r}"
