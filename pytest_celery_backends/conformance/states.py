"""Which states a task is in, and what a result says of each."""

from __future__ import annotations

from threading import Event

import pytest
from celery import Celery, states
from celery.exceptions import Ignore
from celery.result import AsyncResult

from .. import YES, ResultBackend, ResultWorker, check, except_on, no
from .families import RPC
from .limits import LIMIT
from .stored import last_state_of, records_of, until_stored
from .tasks import CheckTasks


class TestStates:
    """userguide/tasks, Task States: https://docs.celeryq.dev/en/stable/userguide/tasks.html#task-states."""

    @check("core")
    def test_an_id_that_was_never_sent_is_pending(
        self, result_backend: ResultBackend, check_unknown: AsyncResult
    ) -> None:
        """userguide/tasks, PENDING: "Any task id that's not known is implied to be in the pending state"."""
        assert (check_unknown.state, check_unknown.result) == (states.PENDING, None)
        assert records_of(result_backend, check_unknown) == []

    @check("core")
    def test_a_task_that_waits_stores_nothing(
        self, result_backend: ResultBackend, check_waiting: AsyncResult
    ) -> None:
        """userguide/tasks, PENDING: "Task is waiting for execution or unknown", and nobody stores that."""
        assert (check_waiting.state, check_waiting.ready()) == (states.PENDING, False)
        assert records_of(result_backend, check_waiting) == []

    @check("core")
    def test_a_task_that_returned_is_successful(
        self, result_backend: ResultBackend, check_done: AsyncResult
    ) -> None:
        """userguide/tasks, SUCCESS: "Task has been successfully executed"."""
        assert last_state_of(result_backend, check_done) == states.SUCCESS
        assert (check_done.state, check_done.ready(), check_done.successful()) == (states.SUCCESS, True, True)
        assert not check_done.failed()

    @check("core")
    def test_a_task_that_raised_has_failed(
        self, result_backend: ResultBackend, check_failed: AsyncResult
    ) -> None:
        """userguide/tasks, FAILURE: "Task execution resulted in failure"."""
        assert last_state_of(result_backend, check_failed) == states.FAILURE
        assert (check_failed.state, check_failed.ready(), check_failed.failed()) == (
            states.FAILURE,
            True,
            True,
        )
        assert not check_failed.successful()

    @check("core")
    @pytest.mark.celery(task_track_started=True)
    def test_a_task_that_runs_has_started(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks, STARTED: "Task has been started", and is neither ready nor failed."""
        gate = Event()
        result = check_tasks.holding(gate)
        try:
            until_stored(result_backend, result, states.STARTED)
            found = (result.state, result.ready(), result.successful(), result.failed())
        finally:
            gate.set()
        assert found == (states.STARTED, False, False, False)

    @check("core")
    @pytest.mark.celery(task_track_started=True)
    def test_a_task_that_runs_says_where(
        self, result_backend: ResultBackend, check_tasks: CheckTasks, result_worker: ResultWorker
    ) -> None:
        """userguide/tasks, STARTED: "meta-data: pid and hostname of the worker process executing the task"."""
        gate = Event()
        result = check_tasks.holding(gate)
        try:
            until_stored(result_backend, result, states.STARTED)
            found = result.info
        finally:
            gate.set()
        assert found["hostname"] == result_worker.hostname
        assert isinstance(found["pid"], int)

    @check("core")
    def test_a_task_that_will_be_tried_again_is_not_ready(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks, RETRY: "Task is being retried"."""
        result = check_tasks.wait_to_retry.delay()
        until_stored(result_backend, result, states.RETRY)
        assert (result.state, result.ready(), result.failed()) == (states.RETRY, False, False)

    @check("core")
    def test_a_task_that_will_be_tried_again_says_why(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks, RETRY: "meta-data: result contains the exception that caused the retry"."""
        result = check_tasks.wait_to_retry.delay()
        until_stored(result_backend, result, states.RETRY)
        assert (type(result.result), result.result.args) == (KeyError, ("not yet",))

    @except_on("consul", verdict=YES)
    @check("custom_states")
    def test_a_state_of_ones_own_is_stored(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks, Custom states: "You can easily define your own states, all you need is a unique name"."""
        result = check_tasks.leave.delay("PROGRESS", {"done": 1})
        until_stored(result_backend, result, "PROGRESS")
        assert (result.state, result.info, result.ready()) == ("PROGRESS", {"done": 1}, False)

    @except_on("consul", verdict=YES)
    @check("custom_states")
    def test_a_state_of_ones_own_may_have_any_name(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks, Custom states: "the name of the state is usually an uppercase string", and need not be."""
        result = check_tasks.leave.delay("half way: 50 %", None)
        until_stored(result_backend, result, "half way: 50 %")
        assert (result.state, result.info) == ("half way: 50 %", None)

    @check("core")
    def test_a_task_that_is_ignored_stores_nothing(
        self, result_backend: ResultBackend, result_worker: ResultWorker
    ) -> None:
        """userguide/tasks, Ignore: "no state will be recorded for the task"."""

        @result_worker.task
        def ignored() -> None:
            raise Ignore

        result = ignored.delay()
        result_worker.drain()
        assert records_of(result_backend, result) == []
        assert result.state == states.PENDING

    @check("core")
    def test_a_result_that_nobody_wants_is_not_stored(
        self, result_backend: ResultBackend, check_tasks: CheckTasks, result_worker: ResultWorker
    ) -> None:
        """userguide/tasks, Task.ignore_result: "Don't store task state"."""
        result = check_tasks.add.apply_async((2, 2), ignore_result=True)
        result_worker.drain()
        assert records_of(result_backend, result) == []
        assert result.get(timeout=LIMIT) is None

    @except_on(*RPC, verdict=no("who wants no result has no queue, so that an error has nowhere to go"))
    @check("core")
    @pytest.mark.celery(task_ignore_result=True, task_store_errors_even_if_ignored=True)
    def test_an_error_is_stored_even_if_ignored_where_that_is_asked(
        self, result_backend: ResultBackend, check_tasks: CheckTasks, result_worker: ResultWorker
    ) -> None:
        """userguide/configuration, task_store_errors_even_if_ignored: "errors even if Task.ignore_result is on"."""
        failed, done = check_tasks.refuse.delay(), check_tasks.add.delay(2, 2)
        result_worker.drain()
        assert last_state_of(result_backend, failed) == states.FAILURE
        assert records_of(result_backend, done) == []

    @except_on(
        *RPC, verdict=no("a result is sent to who sent the task, whom nobody knows without its request")
    )
    @check("core")
    def test_a_state_that_is_stored_by_hand_is_read(
        self, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/tasks, Custom states: Task.update_state, "task_id" of a task that runs elsewhere."""
        result_app.backend.store_result("by-hand", {"done": 7}, "PROGRESS")
        assert last_state_of(result_backend, "by-hand") == "PROGRESS"
        result = AsyncResult("by-hand", app=result_app)
        assert (result.state, result.info) == ("PROGRESS", {"done": 7})

    @check("core")
    def test_tasks_do_not_share_their_states(
        self, result_backend: ResultBackend, check_tasks: CheckTasks, check_waiting: AsyncResult
    ) -> None:
        """celery.result.AsyncResult: "Query task state", of one id and no other."""
        done, failed = check_tasks.add.delay(1, 2), check_tasks.refuse.delay()
        until_stored(result_backend, done, states.SUCCESS)
        until_stored(result_backend, failed, states.FAILURE)
        assert (done.state, failed.state, check_waiting.state) == (
            states.SUCCESS,
            states.FAILURE,
            states.PENDING,
        )
