"""What is stored of a result: what was reported of it, each with what is expected, and where it still is not so."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from uuid import UUID

import pytest
from celery import Celery, chain
from celery.result import AsyncResult

from pytest_celery_backends import ResultBackend, ResultWorker
from pytest_celery_backends.errors import WaitTimeout

differs = pytest.mark.differs
said = pytest.mark.said

#: Seconds for what takes milliseconds.
LIMIT = 5


@pytest.mark.backends("redis", "filesystem", "memory", "sqlite")
@pytest.mark.celery(result_compression="gzip")
@pytest.mark.filterwarnings("ignore:.*compress.*:UserWarning")
@said("redis", "filesystem", fixed=(5, 7))
@said("memory", "sqlite")
@differs("redis", "filesystem", until=(5, 7), why="it is stored as it is")
@differs("memory", "sqlite", why="it is stored as it is; since 5.7 a warning says so")
def test_celery_9370_result_compression_has_no_effect(tasks: Any, result_backend: ResultBackend) -> None:
    """celery#9370, celery#10504, celery#10612: documented since 4.1, and never asked."""
    result = tasks.echo.delay("x" * 20_000)
    assert len(result.get(timeout=LIMIT)) == 20_000
    (stored,) = result_backend.stored()
    assert stored.size < 2_000


@pytest.mark.backends("redis", "sqlite", "rpc-memory")
@pytest.mark.celery(result_serializer="json")
@said("redis", "rpc-memory", fixed=(5, 3))
@said("sqlite", fixed=(5, 3))
def test_kombu_1590_a_uuid_comes_back_as_text(result_backend: ResultBackend) -> None:
    """kombu#1590, kombu#1575: JSON made text of a UUID, and no UUID of the text."""
    result_backend.assert_round_trip(UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), serializer="json")


@pytest.mark.backends("redis", "memory")
@said("redis", "memory")
@differs("redis", "memory", why='{"__type__": "datetime", "__value__": ...}, by design')
def test_kombu_1955_a_date_is_stored_in_an_envelope(result_backend: ResultBackend) -> None:
    """kombu#1955, kombu#1749, kombu#1787: a surprise for readers that are not kombu, since 5.3."""
    trip = result_backend.round_trip(datetime(2026, 1, 1, tzinfo=timezone.utc), serializer="json")
    assert trip.outcome == "same"
    assert b"__type__" not in trip.raw


@pytest.mark.backends("redis", "memory", "sqlite")
@pytest.mark.celery(result_extended=True)
@said("redis", "memory", "sqlite")
@differs("redis", "memory", "sqlite", why="parent is None")
def test_celery_4516_a_result_from_an_id_has_no_parent(tasks: Any, result_app: Celery) -> None:
    """celery#4516, celery#5824: what came before a task in its chain is not found by the task's id."""
    result = chain(tasks.add.s(1, 1), tasks.add.s(1))()
    assert result.get(timeout=LIMIT) == 3
    parent = AsyncResult(result.id, app=result_app).parent
    assert parent is not None
    assert parent.id == result.parent.id


@pytest.mark.backends("redis", "sqlite", "filesystem")
@said("redis", "sqlite", "filesystem", fixed=(4, 3))
def test_celery_5046_the_steps_of_a_chain_are_not_forgotten(
    tasks: Any, result_backend: ResultBackend
) -> None:
    """celery#5046: only the last result of a chain was removed by ``forget()``."""
    result = chain(tasks.add.s(1, 1), tasks.add.s(1), tasks.add.s(1))()
    assert result.get(timeout=LIMIT) == 4
    result.forget()
    result_backend.assert_forgotten(result)
    assert result_backend.stored() == []


@pytest.mark.backends("redis", "sqlite", "rpc-memory")
@said("rpc-memory")
@said("redis", "sqlite", fixed=(5, 6))
@differs(
    "rpc-memory",
    raises=(AssertionError, WaitTimeout),
    why="a revoke is stored without its request, so that nobody is known to send it to",
)
@differs(
    "redis",
    "sqlite",
    until=(5, 6),
    raises=WaitTimeout,
    why="a revoke is stored once the turn of the task comes",
)
def test_celery_9844_a_revoked_task_is_pending_until_its_turn(
    tasks: Any, result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    """celery#9844, celery#9869: the state of what waits for its time when it is revoked."""
    result = tasks.add.apply_async((1, 1), countdown=300)
    result_worker.wait_until_received(result)
    result.revoke()
    result_backend.wait_for(result, "REVOKED", timeout=1)
    assert result.state == "REVOKED"


@pytest.mark.backends("redis", "sqlite", "memory", "django-db")
@said("redis", "sqlite", "memory", "django-db", fixed=(5, 7))
def test_celery_10679_revoking_takes_the_result_of_what_has_ended(
    tasks: Any, result_app: Celery, result_worker: ResultWorker
) -> None:
    """celery#10679, celery#10922: a task that is revoked once it has succeeded keeps its result."""
    result = tasks.add.delay(1, 1)
    assert result.get(timeout=LIMIT) == 2
    result.revoke()
    result_worker.drain()
    again = AsyncResult(result.id, app=result_app)
    assert (again.state, again.result) == ("SUCCESS", 2)


@pytest.mark.backends("redis", "sqlite", "memory")
@said("redis", "sqlite", "memory", fixed=(5, 7))
@differs("redis", "sqlite", "memory", until=(5, 7), why="nothing is stored: PENDING")
def test_celery_10369_a_task_that_is_rejected_stays_pending(
    result_worker: ResultWorker, result_backend: ResultBackend
) -> None:
    """celery#10369: what a task rejects for good ends as FAILURE."""
    from celery.exceptions import Reject

    @result_worker.task(acks_late=True)
    def reject() -> None:
        raise Reject("no", requeue=False)

    result = reject.delay()
    result_worker.drain()
    assert result.state == "FAILURE"


@pytest.mark.backends("redis", "sqlite", "memory")
@said("redis", "sqlite", "memory", fixed=(5, 6))
@differs("redis", "sqlite", "memory", until=(5, 6), why="nothing is stored")
def test_celery_10184_what_a_call_says_of_ignoring_is_ignored(
    result_worker: ResultWorker, result_backend: ResultBackend
) -> None:
    """celery#10184: ``apply_async(ignore_result=False)`` of a task whose results are ignored."""

    @result_worker.task(ignore_result=True)
    def one() -> int:
        return 1

    result = one.apply_async(ignore_result=False)
    result_worker.drain()
    assert [entry.task_id for entry in result_backend.stored()] == [result.id]


@pytest.mark.backends("memory", "redis")
@said("memory", "redis")
@differs("memory", "redis", raises=AttributeError, why="AttributeError: no attribute '_get_task_meta_for'")
def test_celery_7340_a_disabled_backend_fails_with_an_attribute_error(result_app: Celery) -> None:
    """celery#7340, celery#9088, celery#4573: "'DisabledBackend' object has no attribute '_get_task_meta_for'"."""
    from celery.backends.base import DisabledBackend

    result = AsyncResult("t1", backend=DisabledBackend(app=result_app), app=result_app)
    with pytest.raises(NotImplementedError, match="No result backend is configured"):
        _ = result.state


@pytest.mark.backends("redis", "filesystem")
@said("redis", "filesystem", fixed=(5, 5))
@differs("redis", "filesystem", until=(5, 5), why="pre:_celery-task-meta-t1")
def test_celery_9066_a_prefix_gets_an_underscore_too_many(result_app: Celery) -> None:
    """celery#9066, celery#9080: ``global_keyprefix`` may end in a separator of its own."""
    result_app.conf.result_backend_transport_options = {"global_keyprefix": "pre:"}
    other = type(result_app.backend)(app=result_app, url=result_app.backend.url)
    assert other.get_key_for_task("t1") == b"pre:celery-task-meta-t1"


@pytest.mark.backends("redis", "sqlite")
@pytest.mark.celery(result_failure_expires=7200)
@pytest.mark.filterwarnings("ignore:.*does not support result_failure_expires:UserWarning")
@said("redis", fixed=(5, 7))
@said("sqlite")
@differs("redis", until=(5, 7), why="there is no such setting yet")
@differs("sqlite", why="databases do not know it; since 5.7 a warning says so")
def test_celery_10826_failures_go_when_successes_go(tasks: Any, result_backend: ResultBackend) -> None:
    """celery#10826: ``result_failure_expires``, new in 5.7, "currently only supported by the Redis backend"."""
    result = tasks.refuse.delay("no")
    result_backend.wait_for(result, "FAILURE")
    result_backend.assert_expires(result, after=7200)
