"""In which order the states of a task are stored, and that each takes the place of the one before."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from celery import states
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult

from .. import ResultBackend, ResultWorker, check, except_on, not_yet
from .families import FIRST_STATE, RPC
from .limits import LIMIT
from .stored import last_state_of, records_of
from .tasks import CheckTasks


class TestTransitions:
    """userguide/tasks, Task States: https://docs.celeryq.dev/en/stable/userguide/tasks.html#task-states."""

    @check("core")
    def test_a_success_is_the_first_that_is_stored(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks, STARTED: "Not reported by default"."""
        result = check_tasks.add.delay(2, 2)
        result_backend.assert_transitions(result, states.SUCCESS, timeout=LIMIT)
        assert last_state_of(result_backend, result) == states.SUCCESS

    @except_on("consul", verdict=FIRST_STATE)
    @check("core")
    @pytest.mark.celery(task_track_started=True)
    def test_a_success_comes_after_its_start(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks, STARTED: "to enable please see app.Task.track_started"."""
        result = check_tasks.add.delay(2, 2)
        result_backend.assert_transitions(result, states.STARTED, states.SUCCESS, timeout=LIMIT)
        assert result.get(timeout=LIMIT) == 4

    @except_on("consul", verdict=FIRST_STATE)
    @check("core")
    @pytest.mark.celery(task_track_started=True)
    def test_a_failure_comes_after_its_start(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks, STARTED: "to enable please see app.Task.track_started"."""
        result = check_tasks.refuse.delay()
        result_backend.assert_transitions(result, states.STARTED, states.FAILURE, timeout=LIMIT)

    @except_on("consul", verdict=FIRST_STATE)
    @check("core")
    @pytest.mark.celery(task_track_started=True)
    def test_a_retry_starts_again(self, result_backend: ResultBackend, check_tasks: CheckTasks) -> None:
        """userguide/tasks, Retrying: "the task to be re-executed", under the same id."""
        result = check_tasks.retry.delay(1)
        expected = (states.STARTED, states.RETRY, states.STARTED, states.SUCCESS)
        result_backend.assert_transitions(result, *expected, timeout=LIMIT)
        assert result.get(timeout=LIMIT) == "done"

    @except_on("consul", verdict=FIRST_STATE)
    @check("core")
    def test_each_retry_is_stored(self, result_backend: ResultBackend, check_tasks: CheckTasks) -> None:
        """userguide/tasks, Retrying: "the task state will be RETRY"."""
        result = check_tasks.retry.delay(3)
        result_backend.assert_retried(result, times=3, timeout=LIMIT)
        assert last_state_of(result_backend, result) == states.SUCCESS

    @except_on("consul", verdict=FIRST_STATE)
    @check("core")
    def test_a_task_that_is_retried_in_vain_fails(
        self, result_backend: ResultBackend, result_worker: ResultWorker
    ) -> None:
        """userguide/tasks, Retrying: "max_retries exceeded": the exception that was given is raised."""

        @result_worker.task(bind=True, max_retries=1)
        def never(self):  # type: ignore[no-untyped-def]
            raise self.retry(exc=ConnectionError("gone"), countdown=0)

        result = never.delay()
        result_backend.assert_transitions(result, states.RETRY, states.FAILURE, timeout=LIMIT)
        found = result.get(timeout=LIMIT, propagate=False)
        assert (type(found), found.args) == (ConnectionError, ("gone",))

    @check("custom_states")
    def test_states_of_ones_own_come_in_their_order(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks, Custom states: update_state in a loop."""
        result = check_tasks.progress.delay(3)
        result_backend.assert_progress(result, timeout=LIMIT)
        result_backend.assert_transitions(result, *["PROGRESS"] * 3, states.SUCCESS, timeout=LIMIT)

    @check("custom_states")
    def test_the_value_takes_the_place_of_meta(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """celery.result.AsyncResult.info: the return value, once the task has been executed."""
        result = check_tasks.progress.delay(1)
        result_backend.assert_transitions(result, "PROGRESS", states.SUCCESS, timeout=LIMIT)
        assert result.get(timeout=LIMIT) == "done"
        assert (result.state, result.info) == (states.SUCCESS, "done")

    @except_on("consul", verdict=FIRST_STATE)
    @check("reread")
    def test_one_record_holds_all_states_of_a_task(
        self, result_backend: ResultBackend, check_tasks: CheckTasks, result_worker: ResultWorker
    ) -> None:
        """userguide/tasks, Result Backends: a backend stores the state of a task, which is one."""
        result = check_tasks.progress.delay(5)
        result_worker.drain()
        assert [each.state for each in records_of(result_backend, result)] == [states.SUCCESS]
        assert [result.get(timeout=LIMIT), AsyncResult(result.id, app=result.app).state] == [
            "done",
            states.SUCCESS,
        ]

    @except_on(
        *RPC,
        verdict=not_yet(
            "a revoke is sent without its request, so that nobody is known to send it to", "celery#9844"
        ),
        since=(5, 6),
    )
    @check("core")
    def test_a_task_that_is_revoked_before_its_turn_never_runs(
        self, result_backend: ResultBackend, check_tasks: CheckTasks, result_worker: ResultWorker
    ) -> None:
        """userguide/workers, Revoking tasks: "All worker nodes keeps a memory of revoked task ids"."""
        result = check_tasks.add.apply_async((1, 1), countdown=3)
        result_worker.wait_until_received(result, timeout=LIMIT)
        result.revoke()
        result_backend.assert_revoked(result, timeout=LIMIT)
        with pytest.raises(TaskRevokedError):
            result.get(timeout=LIMIT)
        assert (result.state, result.ready(), result.successful()) == (states.REVOKED, True, False)

    @check("core")
    def test_a_task_that_comes_too_late_is_revoked(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/calling, Expiration: "When a worker receives an expired task it will mark the task as REVOKED"."""
        past = datetime.now(timezone.utc) - timedelta(minutes=1)
        result = check_tasks.add.apply_async((1, 1), expires=past)
        result_backend.assert_transitions(result, states.REVOKED, timeout=LIMIT)
        with pytest.raises(TaskRevokedError):
            result.get(timeout=LIMIT)
