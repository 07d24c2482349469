"""When what is stored goes, on every backend, as Celery documents it.

Each test is one line of ``docs/reference/expiry.md``: its name is the sentence, its docstring the document that it
rests on. Where a backend does otherwise, ``differs`` says so, and fails once it no longer does.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from amqp.exceptions import PreconditionFailed
from backend_names import DATABASES, EVERY
from celery import chain, chord, group
from celery.result import AsyncResult

from pytest_celery_backends import ResultBackend, ResultWorker

pytestmark = [pytest.mark.backends(*EVERY), pytest.mark.celery(result_expires=3600)]

HOUR = 3600
REDIS = ("redis", "redis-tls", "redis-sentinel", "valkey")
#: Those whose results ``celery.backend_cleanup`` has to remove.
SWEPT = (*DATABASES, "mongodb", "filesystem", "django-db")
WITHOUT_DATE = "what is not done has no date, and cleanup goes by that"
#: What the end of a test raises whose worker has ended.
ENDED_WORKER = pytest.fail.Exception
differs = pytest.mark.differs
expiring = pytest.mark.backend_requires("expiry")


@pytest.fixture
def done(tasks: Any, result_backend: ResultBackend) -> AsyncResult:
    """A result that is stored."""
    result: AsyncResult = tasks.add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    return result


@expiring
def test_a_result_goes_once_result_expires_is_over(done: AsyncResult, result_backend: ResultBackend) -> None:
    """https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires"""
    result_backend.assert_expires(done, after=HOUR)
    assert result_backend.expires_in(done) == pytest.approx(HOUR, abs=10)


@expiring
@pytest.mark.backend_requires("time-travel")
@differs(*SWEPT, why="celery.backend_cleanup has to run")
def test_the_server_removes_it_by_itself(done: AsyncResult, result_backend: ResultBackend) -> None:
    """https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires"""
    result_backend.advance(HOUR + 60)
    assert result_backend.stored() == []


@expiring
@pytest.mark.backend_requires("time-travel")
def test_cleanup_removes_what_is_over_and_nothing_else(tasks: Any, result_backend: ResultBackend) -> None:
    """https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires"""
    old = tasks.add.delay(1, 1)
    result_backend.wait_for(old, "SUCCESS")
    result_backend.advance(HOUR - 60)
    young = tasks.add.delay(1, 1)
    result_backend.wait_for(young, "SUCCESS")
    result_backend.advance(120)
    result_backend.run_cleanup()
    result_backend.assert_cleaned_up(expired=[old], kept=[young])


@expiring
@pytest.mark.celery(result_expires=timedelta(hours=1))
def test_result_expires_may_be_a_timedelta(done: AsyncResult, result_backend: ResultBackend) -> None:
    """https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires"""
    result_backend.assert_expires(done, after=timedelta(hours=1))


@expiring
@pytest.mark.celery(result_expires=float(HOUR))
def test_result_expires_may_be_a_float(done: AsyncResult, result_backend: ResultBackend) -> None:
    """https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires"""
    result_backend.assert_expires(done, after=HOUR)


@differs(
    "memcached",
    until=(5, 7),
    raises=(AssertionError, ENDED_WORKER),
    why="a result without end cannot be stored: TypeError",
)
@pytest.mark.celery(result_expires=None)
def test_none_is_for_ever(tasks: Any, result_backend: ResultBackend) -> None:
    """https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires"""
    done = tasks.add.delay(1, 1)
    result_backend.wait_for(done, "SUCCESS")
    if result_backend.stored():  # a broker sends a message to who listens
        result_backend.assert_never_expires(done)


@differs(*DATABASES, why="cleanup removes everything, though beat does not run it")
@differs("django-cache", why="Django takes nought for at once, and keeps nothing")
@differs(
    "rpc", raises=PreconditionFailed, why="RabbitMQ refuses a reply queue that may be idle for no time at all"
)
@differs("rpc-memory", why="a reply queue that may be idle for no time at all is gone at once")
@pytest.mark.celery(result_expires=0)
def test_nought_is_for_ever(tasks: Any, result_backend: ResultBackend) -> None:
    """https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires"""
    done = tasks.add.delay(1, 1)
    result_backend.wait_for(done, "SUCCESS")
    result_backend.assert_never_expires(done)


@expiring
def test_a_failure_goes_as_a_success_does(tasks: Any, result_backend: ResultBackend) -> None:
    """https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires"""
    result = tasks.refuse.delay("no")
    result_backend.wait_for(result, "FAILURE")
    result_backend.assert_expires(result, after=HOUR)


@expiring
def test_what_was_revoked_goes(tasks: Any, result_backend: ResultBackend) -> None:
    """https://docs.celeryq.dev/en/stable/userguide/workers.html#revoke-revoking-tasks"""
    result = tasks.add.apply_async((1, 1), expires=-1)
    result_backend.wait_for(result, "REVOKED")
    result_backend.assert_expires(result, after=HOUR)


@expiring
@differs(*DATABASES, "mongodb", why=WITHOUT_DATE)
@pytest.mark.celery(task_track_started=True)
def test_what_has_started_and_never_ends_goes(
    result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    """https://docs.celeryq.dev/en/stable/userguide/configuration.html#task-track-started"""
    may_end = threading.Event()

    @result_worker.task(name="held")
    def held() -> bool:
        return may_end.wait(30)

    result_backend.wait_for(held.delay(), "STARTED")
    (started,) = result_backend.stored()
    try:
        result_backend.assert_expires(started, after=HOUR)
    finally:
        may_end.set()


@expiring
@differs(*DATABASES, "mongodb", why=WITHOUT_DATE)
def test_a_state_of_the_users_own_goes(result_backend: ResultBackend, result_app: Any) -> None:
    """https://docs.celeryq.dev/en/stable/userguide/tasks.html#custom-states"""
    result_app.backend.store_result("t1", {"done": 1}, "PROGRESS")
    result_backend.assert_expires("t1", after=HOUR)


@expiring
@pytest.mark.backend_requires("groups")
@differs(*DATABASES, until=(5, 6), why="a group is as old as the import of its model", issue="celery#10106")
def test_a_saved_group_goes_with_its_members(tasks: Any, result_backend: ResultBackend) -> None:
    """https://docs.celeryq.dev/en/stable/userguide/canvas.html#group-results"""
    result = group(tasks.add.s(n, n) for n in range(3))()
    result.save()
    for member in result:
        result_backend.wait_for(member, "SUCCESS")
    result_backend.assert_expires(result, after=HOUR)


@expiring
@pytest.mark.backend_requires("chords")
def test_nothing_of_a_chord_outlives_result_expires(tasks: Any, result_backend: ResultBackend) -> None:
    """https://docs.celeryq.dev/en/stable/userguide/canvas.html#chords"""
    body = chord((tasks.add.s(n, n) for n in range(3)), tasks.total.s())()
    result_backend.wait_for(body, "SUCCESS")
    result_backend.assert_nothing_outlives(HOUR)


@pytest.mark.backend_requires("forget")
def test_forgetting_leaves_nothing(done: AsyncResult, result_backend: ResultBackend) -> None:
    """https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.forget"""
    assert done.get(timeout=5) == 2
    done.forget()
    result_backend.assert_forgotten(done)
    result_backend.assert_no_leftovers()


@pytest.mark.backend_requires("forget")
def test_a_chain_is_forgotten_with_its_steps(tasks: Any, result_backend: ResultBackend) -> None:
    """https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.forget"""
    result = chain(tasks.add.s(1, 1), tasks.add.s(1), tasks.add.s(1))()
    assert result.get(timeout=5) == 4
    result.forget()
    result_backend.assert_forgotten(result)
    result_backend.assert_no_leftovers()


@pytest.mark.backend_requires("forget", "groups")
def test_a_group_is_forgotten_with_its_members_once_it_is_deleted(
    tasks: Any, result_backend: ResultBackend
) -> None:
    """https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.GroupResult.delete"""
    result = group(tasks.add.s(n, n) for n in range(3))()
    assert result.get(timeout=5) == [0, 2, 4]
    result.save()
    result.forget()
    result.delete()
    result_backend.assert_forgotten(result)
    result_backend.assert_no_leftovers()


@pytest.mark.backend_requires("chords", "forget")
@differs(
    "redis",
    "redis-tls",
    "redis-sentinel",
    "valkey",
    since=(5, 7),
    why="a key is left for five minutes: <group>.c",
)
def test_a_chord_leaves_nothing_once_it_is_forgotten(tasks: Any, result_backend: ResultBackend) -> None:
    """https://docs.celeryq.dev/en/stable/userguide/canvas.html#chords"""
    body = chord((tasks.add.s(n, n) for n in range(3)), tasks.total.s())()
    assert body.get(timeout=5) == 6
    body.forget()
    result_backend.assert_no_leftovers()
