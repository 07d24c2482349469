"""What a result says beside its value: when, by whom, of what, and what came of it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from threading import Event

import pytest
from celery import chain, states
from celery.result import AsyncResult

from .. import ResultBackend, ResultWorker, check, except_on, no, not_yet
from .families import DATABASES, FIRST_STATE, RPC
from .limits import ANSWER, LIMIT
from .stored import last_state_of, until_stored
from .tasks import CheckTasks

EXTENDED = {"result_extended": True}
NO_DATE = not_yet("a result is sent without its date", "celery#10431")
TO_THE_WORKER = no("a result goes to the process that sent its task: to the worker, where a task sent it")
NO_CHILDREN = not_yet("no children are stored in databases", "celery#10606")
IN_THE_APPS_ZONE = not_yet("a date is stored in the time zone of the app, without that zone", "celery#8385")
NAMELESS = not_yet("the name is in task_name, which AsyncResult does not read", "")
ARGUMENTS = not_yet("arguments come back as their repr, a text", "")
NO_COLUMN = not_yet("django-celery-results has no column for it", "")
#: What may lie between the clocks of two machines.
NEAR = timedelta(minutes=1)


def moment(found: AsyncResult) -> datetime:
    """When a result says that its task ended: what has no time zone is in UTC."""
    date: datetime = found.date_done
    assert isinstance(date, datetime)
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)


class TestMetadata:
    """celery.result.AsyncResult: https://docs.celeryq.dev/en/stable/reference/celery.result.html."""

    @except_on(*RPC, verdict=NO_DATE, until=(5, 7))
    @check("core")
    def test_a_success_says_when_it_came(
        self, check_done: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.date_done: "UTC date and time"."""
        assert last_state_of(result_backend, check_done) == states.SUCCESS
        assert abs(datetime.now(timezone.utc) - moment(check_done)) < NEAR

    @except_on(*RPC, verdict=NO_DATE, until=(5, 7))
    @check("core")
    def test_a_failure_says_when_it_came(
        self, check_failed: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.date_done: "UTC date and time"."""
        assert last_state_of(result_backend, check_failed) == states.FAILURE
        assert abs(datetime.now(timezone.utc) - moment(check_failed)) < NEAR

    @except_on(*RPC, verdict=NO_DATE, until=(5, 7))
    @except_on("sqlite", "mysql", "mariadb", verdict=IN_THE_APPS_ZONE, since=(5, 5))
    @check("core")
    @pytest.mark.celery(timezone="Asia/Tokyo")
    def test_the_time_zone_of_an_app_moves_no_date(
        self, check_done: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, timezone: "the time zone used", which is no other moment."""
        assert last_state_of(result_backend, check_done) == states.SUCCESS
        assert abs(datetime.now(timezone.utc) - moment(check_done)) < NEAR

    @except_on("django-db", verdict=not_yet("a row has the date of its last change, of whatever state", ""))
    @check("core")
    @pytest.mark.celery(task_track_started=True)
    def test_a_task_that_runs_has_no_date_of_its_end(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.date_done: of a task that is done."""
        gate = Event()
        result = check_tasks.holding(gate)
        try:
            until_stored(result_backend, result, states.STARTED)
            found = (result.state, result.date_done)
        finally:
            gate.set()
        assert found == (states.STARTED, None)

    @check("core")
    def test_a_result_knows_its_id(self, check_tasks: CheckTasks, result_backend: ResultBackend) -> None:
        """userguide/calling: apply_async(task_id=...): the id that one gives."""
        result = check_tasks.add.apply_async((2, 2), task_id="order-7")
        until_stored(result_backend, "order-7", states.SUCCESS)
        assert (result.id, result.task_id, str(result)) == ("order-7", "order-7", "order-7")
        assert result.get(timeout=LIMIT) == 4

    @except_on("django-db", verdict=NAMELESS)
    @check("extended")
    @pytest.mark.celery(**EXTENDED)
    def test_extended_results_name_their_task(
        self, check_done: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_extended: "Enables extended task result attributes (name, ...)"."""
        assert last_state_of(result_backend, check_done) == states.SUCCESS
        assert check_done.name == "conformance.add"

    @except_on("django-db", verdict=ARGUMENTS)
    @check("extended")
    @pytest.mark.celery(**EXTENDED)
    def test_extended_results_have_the_arguments(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_extended: "args, kwargs"."""
        result = check_tasks.add.apply_async((2,), {"y": 3})
        until_stored(result_backend, result, states.SUCCESS)
        assert (list(result.args), result.kwargs) == ([2], {"y": 3})

    @check("extended")
    @pytest.mark.celery(**EXTENDED)
    def test_extended_results_name_the_worker(
        self, check_done: AsyncResult, result_backend: ResultBackend, result_worker: ResultWorker
    ) -> None:
        """userguide/configuration, result_extended: "worker"."""
        assert last_state_of(result_backend, check_done) == states.SUCCESS
        assert check_done.worker == result_worker.hostname

    @except_on("consul", verdict=FIRST_STATE)
    @except_on("django-db", verdict=NO_COLUMN)
    @check("extended")
    @pytest.mark.celery(**EXTENDED)
    def test_extended_results_count_the_retries(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_extended: "retries"."""
        result = check_tasks.retry.delay(2)
        until_stored(result_backend, result, states.SUCCESS)
        assert result.retries == 2

    @except_on("django-db", verdict=NO_COLUMN)
    @check("extended")
    @pytest.mark.celery(**EXTENDED)
    def test_extended_results_name_the_queue(
        self, check_done: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_extended: "queue"."""
        assert last_state_of(result_backend, check_done) == states.SUCCESS
        assert check_done.queue == "celery"

    @except_on("django-db", verdict=NAMELESS)
    @check("extended")
    @pytest.mark.celery(**EXTENDED)
    def test_extended_failures_say_of_what_they_are(
        self, check_failed: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_extended: results of tasks that failed as well."""
        assert last_state_of(result_backend, check_failed) == states.FAILURE
        assert (check_failed.name, list(check_failed.args)) == ("conformance.refuse", ["boom"])
        assert isinstance(check_failed.result, ValueError)

    @except_on(*RPC, verdict=TO_THE_WORKER)
    @except_on(*DATABASES, verdict=NO_CHILDREN, until=(5, 7))
    @check("core")
    def test_a_result_knows_what_its_task_sent(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.children; userguide/tasks, Task.trail."""
        result = check_tasks.spawn.delay(1)
        result_worker.drain()
        assert last_state_of(result_backend, result) == states.SUCCESS
        assert [child.get(timeout=ANSWER) for child in result.children] == [2]

    @except_on(*RPC, verdict=TO_THE_WORKER)
    @except_on(*DATABASES, verdict=NO_CHILDREN, until=(5, 7))
    @check("core")
    def test_a_result_knows_the_group_that_its_task_sent(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.children: a group among them keeps its members."""
        result = check_tasks.spawn.delay(3)
        result_worker.drain()
        assert last_state_of(result_backend, result) == states.SUCCESS
        assert [child.join(timeout=ANSWER) for child in result.children] == [[0, 2, 4]]

    @check("core")
    def test_a_task_that_sent_nothing_has_no_children(
        self, check_done: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.children."""
        assert last_state_of(result_backend, check_done) == states.SUCCESS
        assert check_done.get(timeout=LIMIT) == 4
        assert not check_done.children

    @check("core")
    def test_each_step_of_a_chain_keeps_its_value(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Chains: "res.parent.get()"."""
        result = chain(check_tasks.add.s(1, 1), check_tasks.add.s(2), check_tasks.add.s(3))()
        until_stored(result_backend, result, states.SUCCESS)
        assert result.get(timeout=LIMIT) == 7
        assert [result.parent.get(timeout=LIMIT), result.parent.parent.get(timeout=LIMIT)] == [4, 2]
