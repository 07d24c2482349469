"""MongoDB and clouds: what was reported of them, each with what is expected, and where it still is not so."""

from __future__ import annotations

import pickle
from datetime import datetime
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from celery import Celery, chain, group
from celery.exceptions import TimeoutError as GaveUp
from celery.result import AsyncResult, GroupResult

from pytest_celery_backends import ResultBackend

differs = pytest.mark.differs
said = pytest.mark.said

#: Seconds for what takes milliseconds.
LIMIT = 5


@pytest.mark.backends("mongodb", "redis")
@pytest.mark.celery(result_extended=True)
@said("mongodb", fixed=(5, 7))
@differs("mongodb", until=(5, 7), raises=KeyError, why="KeyError: 'name'")
def test_celery_8877_what_was_stored_without_a_request_cannot_be_read(result_app: Celery) -> None:
    """celery#8877, celery#10503: with ``result_extended`` a reader looked for fields that no request had given."""
    result_app.backend.store_result("t1", 1, "SUCCESS")
    assert AsyncResult("t1", app=result_app).state == "SUCCESS"


@pytest.mark.backends("mongodb", "redis")
@pytest.mark.celery(result_extended=True)
@said("mongodb", fixed=(5, 3))
def test_celery_8387_result_extended_is_stored_and_never_read(tasks: Any, result_app: Celery) -> None:
    """celery#8387, celery#8391: name, arguments and worker were in the document, and not in the result."""
    result = tasks.add.delay(1, 1)
    assert result.get(timeout=LIMIT) == 2
    again = AsyncResult(result.id, app=result_app)
    assert (again.name, list(again.args)) == (tasks.add.name, [1, 1])


@pytest.mark.backends("mongodb")
@said("mongodb", fixed=(5, 3))
def test_celery_8431_dates_are_text_that_cleanup_never_finds(
    tasks: Any, result_backend: ResultBackend
) -> None:
    """celery#8431, celery#8432: ``date_done`` was stored as text, which is before no date."""
    result = tasks.add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    result_backend.assert_expires(result, after=86400)
    assert isinstance(result.date_done, datetime)


@pytest.mark.backends("mongodb", "redis")
@said("mongodb")
@differs("mongodb", why="a list of results comes back")
def test_celery_672_a_saved_group_comes_back_as_a_list(tasks: Any, result_app: Celery) -> None:
    """celery#672: only the ids of the members are stored."""
    result = group(tasks.add.s(number, number) for number in range(3))()
    assert result.get(timeout=LIMIT) == [0, 2, 4]
    result.save()
    assert GroupResult.restore(result.id, app=result_app) == result


@pytest.mark.backends("mongodb", "redis")
@pytest.mark.celery(result_extended=True)
@said("mongodb")
@differs("mongodb", why="they are in the document, and dropped where it is read")
def test_celery_10605_stamps_are_stored_and_never_read(tasks: Any, result_app: Celery) -> None:
    """celery#8887, celery#10605: fixed for databases."""
    signature = tasks.add.s(1, 1)
    signature.stamp(tag="v1")
    result = signature.apply_async()
    assert result.get(timeout=LIMIT) == 2
    assert result_app.backend.get_task_meta(result.id).get("tag") == "v1"


@pytest.mark.backends("s3", "redis")
@said("s3", fixed=(5, 0))
def test_celery_5721_what_is_in_a_bucket_cannot_be_forgotten(
    tasks: Any, result_backend: ResultBackend
) -> None:
    """celery#5721, celery#6006: keys are bytes, which boto3 does not take."""
    result = chain(tasks.add.s(1, 1), tasks.add.s(1))()
    assert result.get(timeout=LIMIT) == 3
    result.forget()
    result_backend.assert_forgotten(result)


@pytest.mark.backends("s3", "redis")
@said("s3", fixed=(5, 0))
def test_celery_6537_a_pickle_in_a_bucket_cannot_be_read(result_backend: ResultBackend) -> None:
    """celery#6537: what is in a bucket was taken for text."""
    result_backend.assert_round_trip({1, 2}, serializer="pickle")


@pytest.mark.backends("dynamodb", "redis")
@pytest.mark.celery(result_expires=3600)
@said("dynamodb")
@differs("dynamodb", why="an item has no time to live but by ?ttl_seconds= in the URL")
def test_celery_5275_result_expires_means_nothing_to_dynamodb(
    tasks: Any, result_backend: ResultBackend
) -> None:
    """celery#5275, celery#5805: beat runs no cleanup either, as results are said to expire by themselves."""
    result = tasks.add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    (stored,) = result_backend.stored()
    assert stored.expires_in is not None


@pytest.mark.backends("azureblob", "redis")
@said("azureblob", fixed=(5, 7))
@differs("azureblob", until=(5, 7), raises=ResourceNotFoundError, why="ResourceNotFoundError")
def test_celery_10714_a_blob_that_is_not_there_cannot_be_forgotten(result_app: Celery) -> None:
    """celery#10697, celery#10714: ``forget()`` of a result that is gone already."""
    AsyncResult("never-stored", app=result_app).forget()


@pytest.mark.backends("azureblob", "redis")
@said("azureblob", fixed=(5, 7))
@differs(
    "azureblob",
    until=(5, 7),
    raises=TypeError,
    why="TypeError: 'NoneType' object is not subscriptable, where the copy is made",
)
def test_celery_10647_a_backend_of_blobs_cannot_be_pickled(tasks: Any, result_app: Celery) -> None:
    """celery#10647: connection strings and containers were not among what a copy is made of."""
    result = tasks.add.delay(1, 1)
    assert result.get(timeout=LIMIT) == 2
    again = pickle.loads(pickle.dumps(result_app.backend))
    assert again.get_state(result.id) == "SUCCESS"


@pytest.mark.backends("consul", "redis")
@pytest.mark.celery(task_track_started=True)
@said("consul")
@differs("consul", raises=GaveUp, why="the second state is not stored, and nobody is told")
def test_celery_5605_the_second_state_of_a_task_is_dropped(tasks: Any, result_backend: ResultBackend) -> None:
    """celery#5605, celery#5642: a key is locked by the session that its first state was stored with."""
    result = tasks.add.delay(1, 1)
    assert result.get(timeout=1) == 2
