"""What checks are given beside ``result_backend``, ``result_app`` and ``result_worker``."""

from __future__ import annotations

import pytest
from celery import Celery, group
from celery.result import AsyncResult, GroupResult

from .. import ResultWorker
from .limits import LIMIT
from .tasks import CheckTasks


@pytest.fixture
def check_tasks(result_worker: ResultWorker) -> CheckTasks:
    """The tasks of ``tasks.py``, by name."""
    return CheckTasks(result_worker)


@pytest.fixture
def check_waiting(check_tasks: CheckTasks, result_worker: ResultWorker) -> AsyncResult:
    """A result whose task the worker has, and does not run during the check."""
    result = check_tasks.add.apply_async((1, 1), countdown=300)
    result_worker.wait_until_received(result, timeout=LIMIT)
    return result


@pytest.fixture
def check_done(check_tasks: CheckTasks, result_worker: ResultWorker) -> AsyncResult:
    """A result that nobody has read yet, of a task that has succeeded with 4."""
    result = check_tasks.add.delay(2, 2)
    result_worker.drain(timeout=LIMIT)
    return result


@pytest.fixture
def check_failed(check_tasks: CheckTasks, result_worker: ResultWorker) -> AsyncResult:
    """A result that nobody has read yet, of a task that has raised ``ValueError("boom")``."""
    result = check_tasks.refuse.delay("boom")
    result_worker.drain(timeout=LIMIT)
    return result


@pytest.fixture
def check_saved(check_tasks: CheckTasks, result_worker: ResultWorker, result_app: Celery) -> GroupResult:
    """A group of two tasks that have ended with 0 and 2; it was saved, and can be restored."""
    result: GroupResult = group(check_tasks.double.s(number) for number in range(2))()
    result.save()
    result_worker.drain(timeout=LIMIT)
    assert GroupResult.restore(result.id, app=result_app).id == result.id
    return result


@pytest.fixture
def check_unknown(result_app: Celery) -> AsyncResult:
    """A result of an id that was never sent."""
    return AsyncResult("never-sent", app=result_app)
