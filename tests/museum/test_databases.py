"""Databases: what was reported of them, each with what is expected, and where it still is not so."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery, group
from celery.exceptions import BackendStoreError
from celery.result import AsyncResult
from sqlalchemy.exc import DataError, ProgrammingError

from pytest_celery_backends import ResultBackend

differs = pytest.mark.differs
said = pytest.mark.said

#: Seconds for what takes milliseconds.
LIMIT = 5


@pytest.mark.backends("sqlite", "postgres", "redis")
@said("sqlite", "postgres", fixed=(5, 7))
@differs("sqlite", "postgres", until=(5, 7), why="every result is a pickle, whatever result_serializer says")
def test_celery_3025_a_database_holds_pickles_whatever_the_serializer(result_backend: ResultBackend) -> None:
    """celery#3025, celery#8003, celery#10536: ``result_serializer`` was not asked by databases."""
    trip = result_backend.round_trip((1, 2), serializer="json")
    assert b"[1, 2]" in trip.raw
    assert trip.came_back == [1, 2]


@pytest.mark.backends("sqlite", "postgres", "redis")
@said("sqlite", "postgres", fixed=(5, 7))
@differs("sqlite", "postgres", until=(5, 7), why="a set is stored, as a pickle")
def test_celery_8003_a_database_stores_what_json_refuses(result_backend: ResultBackend) -> None:
    """celery#8003, celery#10536: what is no JSON was stored in databases, and nowhere else."""
    trip = result_backend.round_trip({1, 2}, serializer="json")
    assert trip.outcome == "rejected"


@pytest.mark.backends("sqlite", "redis")
@pytest.mark.celery(result_extended=True)
@said("sqlite", fixed=(5, 7))
@differs("sqlite", until=(5, 7), raises=KeyError, why="the table has no column for them")
def test_celery_8887_the_stamps_of_a_task_are_not_stored(tasks: Any, result_app: Celery) -> None:
    """celery#8887, celery#10605: stamps were lost in databases with ``result_extended``."""
    signature = tasks.add.s(1, 1)
    signature.stamp(tag="v1")
    result = signature.apply_async()
    assert result.get(timeout=LIMIT) == 2
    assert result_app.backend.get_task_meta(result.id)["tag"] == "v1"


@pytest.mark.backends("sqlite", "redis")
@said("sqlite", fixed=(5, 7))
@differs("sqlite", until=(5, 7), why="the table has no column for them")
def test_celery_10606_the_children_of_a_task_are_not_stored(tasks: Any, result_app: Celery) -> None:
    """celery#10606: what a task has sent was not stored in databases."""
    result = tasks.calls.delay(2)
    child = result.get(timeout=LIMIT)
    assert [each.id for each in AsyncResult(result.id, app=result_app).children or ()] == [child]


@pytest.mark.backends("sqlite", "postgres")
@said("sqlite", "postgres", fixed=(5, 6))
@differs("sqlite", "postgres", until=(5, 6), why="both are as old as the import of the model")
def test_celery_10106_a_group_is_as_old_as_the_import(tasks: Any, result_backend: ResultBackend) -> None:
    """celery#10106, celery#10108: the default of ``date_done`` was evaluated once."""
    for _ in range(2):
        group([tasks.add.s(1, 1)])().save()
    cursor = result_backend.client.cursor()
    cursor.execute("select count(distinct date_done) from celery_tasksetmeta")
    assert cursor.fetchone()[0] == 2


@pytest.mark.backends("sqlite", "postgres")
@said("sqlite", "postgres", fixed=(5, 6))
@differs("sqlite", "postgres", until=(5, 6), why="cleanup reads the whole table")
def test_celery_10097_no_index_is_on_the_date(tasks: Any, result_backend: ResultBackend) -> None:
    """celery#10097, celery#10098: cleanup looks for a date that has no index."""
    assert tasks.add.delay(1, 1).get(timeout=LIMIT) == 2
    with result_backend.commands() as seen:
        result_backend.run_cleanup()
    seen.assert_uses_indexes()


@pytest.mark.backends("sqlite")
@said("sqlite", fixed=(5, 6))
@differs(
    "sqlite", until=(5, 6), raises=TypeError, why="TypeError: Invalid argument(s) 'pool_size','max_overflow'"
)
def test_celery_7355_options_of_a_pool_end_a_client(result_backend: ResultBackend) -> None:
    """celery#7355, celery#10134: what never forked has no pool, and gave the options to what stands for one."""
    from celery.backends.database.session import SessionManager

    url = result_backend.url.partition("+")[2]
    with SessionManager().session_factory(url, pool_size=5, max_overflow=2) as session:
        assert session.bind.dialect.name == "sqlite"


@pytest.mark.backends("sqlite")
@pytest.mark.celery(result_backend_always_retry=False)
@said("sqlite", fixed=(5, 7))
@differs("sqlite", until=(5, 7), why="it is tried again all the same")
def test_celery_6540_a_database_is_asked_again_where_that_is_not_wanted(
    result_app: Celery, result_backend: ResultBackend
) -> None:
    """celery#6540, celery#10130: ``result_backend_always_retry`` was not asked by databases."""
    result_app.backend.store_result("t1", 1, "SUCCESS")
    result_backend.client.execute("drop table celery_taskmeta")
    with result_backend.commands() as seen, pytest.raises(Exception, match="no such table"):
        result_app.backend.store_result("t2", 2, "SUCCESS")
    # three times is what always_retry means there; once more is a look whether columns are missing
    assert len(seen) < 3


@pytest.mark.backends("sqlite", "postgres", "filesystem")
@pytest.mark.celery(result_expires=0)
@said("sqlite", "postgres")
@differs("sqlite", "postgres", why="cleanup removes everything")
def test_celery_6450_cleanup_removes_what_is_kept_for_ever(tasks: Any, result_backend: ResultBackend) -> None:
    """celery#6450, celery#6462: ``result_expires=0`` is documented as "never"; fixed for MongoDB alone."""
    result = tasks.add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    result_backend.run_cleanup()
    result_backend.assert_cleaned_up(kept=[result])


@pytest.mark.backends("sqlite", "postgres", "filesystem", "mongodb")
@pytest.mark.celery(result_expires=None)
@said("sqlite", "postgres")
@differs("sqlite", "postgres", why="TypeError: unsupported operand type(s)")
def test_celery_6462_cleanup_fails_where_results_are_kept_for_ever(
    tasks: Any, result_backend: ResultBackend
) -> None:
    """celery#6450, celery#6462: ``result_expires=None`` is documented as "never"; fixed for MongoDB alone."""
    result = tasks.add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    result_backend.run_cleanup()
    result_backend.assert_cleaned_up(kept=[result])


@pytest.mark.backends("sqlite", "postgres", "redis", "mongodb")
@said("sqlite", "postgres", "mongodb")
@differs("sqlite", "postgres", "mongodb", why="it has no time zone")
def test_celery_4948_date_done_has_no_time_zone(tasks: Any) -> None:
    """celery#4948, celery#8385: what is aware on one backend is naive on another."""
    result = tasks.add.delay(1, 1)
    assert result.get(timeout=LIMIT) == 2
    assert result.date_done.tzinfo is not None


@pytest.mark.backends("sqlite", "postgres", "filesystem")
@pytest.mark.celery(timezone="Asia/Tokyo", result_expires=3600)
@said("sqlite", "postgres", fixed=(5, 7))
@said("filesystem")
@differs("sqlite", until=(5, 5), why="dates are UTC, and compared with the app's local time: removed at once")
@differs(
    "sqlite",
    since=(5, 7),
    why="dates are the app's local time, and compared with UTC: kept for hours too long",
)
@differs("filesystem", why="times of files are compared with local time: removed at once")
def test_celery_10866_cleanup_goes_by_another_clock(tasks: Any, result_backend: ResultBackend) -> None:
    """celery#10866: cleanup compared local time with UTC, so that results went hours too early or late."""
    result = tasks.add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    result_backend.assert_expires(result, after=3600)


@pytest.mark.backends("mysql", "mariadb", "sqlite")
@pytest.mark.filterwarnings("ignore:Exception raised outside body:RuntimeWarning")
@said("mysql", "mariadb")
@differs("mysql", "mariadb", why="a BLOB ends at 64 KiB: Data too long for column 'result'")
def test_celery_461_a_result_ends_at_64_kib_on_mysql(result_backend: ResultBackend) -> None:
    """celery#461, celery#5771: Celery makes the column of results a BLOB."""
    result_backend.assert_round_trip("x" * 66_000)


@pytest.mark.backends("mysql", "mariadb", "sqlite")
@said("mysql", "mariadb")
@differs("mysql", "mariadb", raises=DataError, why="a BLOB ends at 64 KiB: Data too long for column 'result'")
def test_celery_5771_a_group_of_2000_cannot_be_saved_on_mysql(tasks: Any, result_app: Celery) -> None:
    """celery#461, celery#5771: the column of groups is a BLOB as well."""
    result = result_app.GroupResult("large", [AsyncResult(f"{n:036}", app=result_app) for n in range(2000)])
    result.save()
    assert len(result_app.GroupResult.restore("large")) == 2000


@pytest.mark.backends("sqlite", "postgres", "redis", "mongodb")
@said("sqlite", "postgres", fixed=(5, 7))
@said("mongodb", fixed=(5, 7))
@differs("sqlite", "postgres", "mongodb", until=(5, 7), why="what comes last is kept")
def test_celery_10920_a_success_is_overwritten_by_a_late_failure(result_app: Celery) -> None:
    """celery#10920, celery#10944: another worker may end a task that was delivered twice."""
    result_app.backend.store_result("t1", "first", "SUCCESS")
    result_app.backend.store_result("t1", ValueError("late"), "FAILURE")
    assert (result_app.backend.get_state("t1"), result_app.backend.get_result("t1")) == ("SUCCESS", "first")


@pytest.mark.backends("sqlite", "postgres", "redis", "django-db")
@said("sqlite", "postgres", fixed=(5, 7))
@said("django-db")
@differs("sqlite", "postgres", until=(5, 7), why="what comes last is kept")
@differs("django-db", why="what comes last is kept")
def test_celery_6090_a_success_is_overwritten_by_a_late_retry(result_app: Celery) -> None:
    """celery#6090, celery#10920: a state that comes out of order takes the place of the last one."""
    result_app.backend.store_result("t1", "first", "SUCCESS")
    result_app.backend.store_result("t1", ValueError("again"), "RETRY")
    assert result_app.backend.get_state("t1") == "SUCCESS"


@pytest.mark.backends("sqlite", "postgres", "redis", "django-db", "mongodb")
@said("sqlite", "postgres", "mongodb", fixed=(5, 7))
@said("django-db")
@differs("sqlite", "postgres", "mongodb", until=(5, 7), why="what comes last is kept")
@differs("django-db", why="what comes last is kept")
def test_celery_10944_a_success_is_overwritten_by_a_second(result_app: Celery) -> None:
    """celery#10920, celery#10944: "keep the first SUCCESS" of a task that ran twice."""
    result_app.backend.store_result("t1", "first", "SUCCESS")
    result_app.backend.store_result("t1", "second", "SUCCESS")
    assert result_app.backend.get_result("t1") == "first"


@pytest.mark.backends("sqlite", "postgres", "redis", "memory", "filesystem")
@said("redis", "memory", "filesystem", fixed=(5, 7))
@said("sqlite", "postgres")
@differs(
    "redis",
    "memory",
    "filesystem",
    until=(5, 7),
    raises=TypeError,
    why="TypeError: sequence item 1: expected a bytes-like object",
)
@differs("sqlite", "postgres", raises=(ProgrammingError, BackendStoreError), why="the driver takes no UUID")
def test_celery_10406_a_uuid_cannot_be_a_task_id(result_app: Celery) -> None:
    """celery#10406: an id that is a ``UUID``, and no text."""
    from uuid import UUID

    task_id = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
    result_app.backend.store_result(task_id, 1, "SUCCESS")
    assert result_app.backend.get_state(task_id) == "SUCCESS"
