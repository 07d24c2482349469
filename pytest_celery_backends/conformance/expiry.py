"""When results go, and what ``celery.backend_cleanup`` takes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from celery import Celery, states
from celery.result import AsyncResult, GroupResult

from .. import YES, ResultBackend, ResultWorker, beat_schedule_has_cleanup, check, except_on, not_yet
from .concerned import DATABASE, is_one, only_since, unsupported
from .limits import LIMIT
from .stored import records_of
from .tasks import CheckTasks

HOUR = 3600


def assert_goes(result_backend: ResultBackend, result: AsyncResult, seconds: float) -> None:
    """Assert that the backend's own mechanism removes a result then: a message goes with its whole queue alone."""
    assert [each.kind for each in records_of(result_backend, result)] == ["task"]
    assert result_backend.expires_in(result) == pytest.approx(seconds, abs=60)
    result_backend.assert_expires(result, after=seconds)


class TestExpiry:
    """userguide/configuration: https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires."""

    @check("expiry")
    @pytest.mark.celery(result_expires=HOUR)
    def test_a_result_goes_once_result_expires_is_over(
        self, check_done: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_expires: "Time (in seconds, or a timedelta object) for when after stored
        task tombstones will be deleted"."""
        assert_goes(result_backend, check_done, HOUR)

    @check("expiry")
    @pytest.mark.celery(result_expires=HOUR)
    def test_a_failure_goes_as_a_success_does(
        self, check_failed: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_failure_expires: by default failures use ``result_expires``."""
        assert_goes(result_backend, check_failed, HOUR)

    @check("expiry")
    @pytest.mark.celery(result_expires=timedelta(hours=2))
    def test_result_expires_may_be_a_timedelta(
        self, check_done: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_expires: "in seconds, or a timedelta object"."""
        assert_goes(result_backend, check_done, 2 * HOUR)

    @check("expiry")
    def test_a_result_stays_for_a_day_where_nothing_is_set(
        self, check_done: AsyncResult, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, result_expires: "Default: Expire after 1 day"."""
        if result_app.conf.result_expires != timedelta(days=1):
            unsupported("the app under test sets result_expires")
        assert_goes(result_backend, check_done, 24 * HOUR)

    @except_on(
        "memcached",
        verdict=not_yet("python-memcached, Celery's client before 5.7, takes no None: TypeError", ""),
        until=(5, 7),
    )
    @check("core")
    @pytest.mark.celery(result_expires=None)
    def test_without_result_expires_a_result_stays_for_good(
        self, check_done: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_expires: "A value of None or 0 means results will never expire (depending
        on backend specifications)"."""
        result_backend.assert_never_expires(check_done)

    @check("expiry")
    @pytest.mark.celery(result_expires=HOUR)
    def test_what_is_over_is_gone_and_what_is_not_stays(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_expires: "celery.backend_cleanup ... must be run", or the store does it."""
        old = check_tasks.echo.delay("old")
        result_worker.drain()
        result_backend.advance(HOUR - 60)
        young = check_tasks.echo.delay("young")
        result_worker.drain()
        result_backend.advance(120)
        result_backend.run_cleanup(timeout=LIMIT)
        result_backend.assert_cleaned_up(expired=[old], kept=[young])

    @check("expiry")
    @pytest.mark.celery(result_expires=HOUR)
    def test_an_expired_result_is_pending(
        self, check_done: AsyncResult, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/tasks, PENDING: an id that is not known any more is one that is not known."""
        assert [each.kind for each in records_of(result_backend, check_done)] == ["task"]
        result_backend.advance(HOUR + 60)
        result_backend.run_cleanup(timeout=LIMIT)
        assert records_of(result_backend, check_done) == []
        assert AsyncResult(check_done.id, app=result_app).state == states.PENDING

    @check("expiry")
    @pytest.mark.celery(result_expires=HOUR)
    def test_reading_a_result_does_not_lengthen_its_life(
        self, check_done: AsyncResult, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, result_expires: "after stored", not after read."""
        result_backend.advance(HOUR - 60)
        assert AsyncResult(check_done.id, app=result_app).get(timeout=LIMIT) == 4
        assert len(records_of(result_backend, check_done)) == 1
        result_backend.advance(120)
        result_backend.run_cleanup(timeout=LIMIT)
        assert records_of(result_backend, check_done) == []

    @check("reread")
    @pytest.mark.celery(result_expires=HOUR)
    def test_cleanup_takes_nothing_that_is_young(
        self, check_done: AsyncResult, check_failed: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_expires: "celery.backend_cleanup", which takes expired results alone."""
        before = {each.task_id for each in result_backend.stored()}
        result_backend.run_cleanup(timeout=LIMIT)
        assert (
            {check_done.id, check_failed.id} <= before <= {each.task_id for each in result_backend.stored()}
        )

    @check("core")
    def test_cleanup_of_an_empty_store_does_nothing(self, result_backend: ResultBackend) -> None:
        """celery.app.builtins: "Task used to clean up expired results"."""
        result_backend.run_cleanup(timeout=LIMIT)
        assert result_backend.stored() == []

    @except_on("azureblob", "s3", verdict=YES)  # it is on the schedule, and takes nothing there
    @check("expiry")
    @pytest.mark.celery(result_expires=HOUR)
    def test_what_does_not_go_by_itself_is_on_the_schedule_of_beat(
        self, check_done: AsyncResult, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, result_expires: "A built-in periodic task will delete the results after this
        time (celery.backend_cleanup), assuming that celery beat is enabled"."""
        result_backend.advance(HOUR + 60)
        is_gone = records_of(result_backend, check_done) == []
        assert is_gone or beat_schedule_has_cleanup(result_app)

    @check("groups")
    @pytest.mark.celery(result_expires=HOUR)
    def test_a_saved_group_goes_with_its_members(
        self, check_saved: GroupResult, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, result_expires: a saved group is a result as well."""
        if is_one(result_app, DATABASE):
            only_since(5, 6)  # before, a group in a database is as old as the import of Celery (celery#10108)
        if result_backend.supports("expiry"):
            for each in (check_saved, *check_saved.results):
                result_backend.assert_expires(each, after=HOUR)
        else:
            for each in (check_saved, *check_saved.results):
                result_backend.assert_never_expires(each)
