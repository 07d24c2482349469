"""Which states a task goes through, and what a result says of each."""

from __future__ import annotations

import pytest
from celery import states
from celery.result import AsyncResult

from .. import ResultBackend, check
from .limits import LIMIT
from .stored import last_state_of, records_of
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
    def test_started_is_stored_where_it_is_tracked(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks, STARTED: "Task has been started. Not reported by default, to enable please see
        app.Task.track_started"."""
        result = check_tasks.add.delay(2, 2)
        result_backend.assert_transitions(result, states.STARTED, states.SUCCESS, timeout=LIMIT)
        assert result.get(timeout=LIMIT) == 4
