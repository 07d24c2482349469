"""django-celery-results: what was reported of it, each with what is expected, and where it still is not so."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery, group
from celery.result import AsyncResult, GroupResult

from pytest_celery_backends import ResultBackend, ResultWorker

differs = pytest.mark.differs
said = pytest.mark.said

#: Seconds for what takes milliseconds.
LIMIT = 5


@pytest.mark.backends("django-db", "redis")
@pytest.mark.celery(result_extended=True)
@said("django-db")
@differs("django-db", why="they come back as their repr: '(1, 2)'")
def test_django_celery_results_113_arguments_come_back_as_text(tasks: Any, result_app: Celery) -> None:
    """django-celery-results#113, which is open."""
    result = tasks.add.delay(1, 2)
    assert result.get(timeout=LIMIT) == 3
    again = AsyncResult(result.id, app=result_app)
    assert ([*again.args], again.kwargs) == ([1, 2], {})


@pytest.mark.backends("django-db", "redis")
@pytest.mark.celery(result_serializer="pickle", accept_content=["json", "pickle"])
@said("django-db", fixed=(5, 0))
def test_django_celery_results_50_a_pickle_cannot_be_read(result_backend: ResultBackend) -> None:
    """django-celery-results#50: a pickle was kept as text."""
    result_backend.assert_round_trip({1, 2}, serializer="pickle")


@pytest.mark.backends("django-db", "redis")
@said("django-db", fixed=(5, 0))
def test_django_celery_results_40_a_group_cannot_be_saved(tasks: Any, result_app: Celery) -> None:
    """django-celery-results#40, django-celery-results#153: "does not implement save_group"."""
    result = group(tasks.add.s(number, number) for number in range(3))()
    assert result.get(timeout=LIMIT) == [0, 2, 4]
    result.save()
    assert GroupResult.restore(result.id, app=result_app) == result


@pytest.mark.backends("django-db", "redis")
@said("django-db", fixed=(5, 0))
def test_django_celery_results_88_a_revoked_task_runs(
    result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    """django-celery-results#88, django-celery-results#74: revoking a task whose result is in Django's database."""
    ran: list[int] = []

    @result_worker.task
    def note() -> None:
        ran.append(1)

    result = note.apply_async(countdown=3)
    result_worker.wait_until_received(result)
    result.revoke()
    result_backend.assert_revoked(result)
    assert ran == []


@pytest.mark.backends("django-db", "redis")
@said("django-db")
@differs("django-db", why="a traceback is stored with result_extended alone")
def test_django_celery_results_69_a_failure_has_no_traceback(tasks: Any, result_app: Celery) -> None:
    """django-celery-results#69, django-celery-results#339: "traceback is null"."""
    result = tasks.refuse.delay("no")
    assert str(result.get(timeout=LIMIT, propagate=False)) == "no"
    assert "ValueError: no" in (AsyncResult(result.id, app=result_app).traceback or "")
