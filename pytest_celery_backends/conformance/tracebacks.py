"""What a failure says of where it happened."""

from __future__ import annotations

from celery import states
from celery.result import AsyncResult

from .. import ResultBackend, ResultWorker, check, except_on
from .families import UNTRACED
from .limits import LIMIT
from .stored import last_state_of, until_stored
from .tasks import CheckTasks


class TestTracebacks:
    """userguide/tasks, FAILURE: "traceback contains the backtrace of the stack at the point when the exception was
    raised"."""

    @except_on("django-db", verdict=UNTRACED)
    @check("core")
    def test_a_failure_has_a_traceback(
        self, check_failed: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.traceback: "Get the traceback of a failed task"."""
        assert last_state_of(result_backend, check_failed) == states.FAILURE
        found = check_failed.traceback or ""
        assert found.startswith("Traceback (most recent call last):\n")
        assert found.endswith("ValueError: boom\n")

    @except_on("django-db", verdict=UNTRACED)
    @check("core")
    def test_a_traceback_names_the_line_that_raised(
        self, check_failed: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, FAILURE: "at the point when the exception was raised"."""
        assert last_state_of(result_backend, check_failed) == states.FAILURE
        assert "raise ValueError(message)" in (check_failed.traceback or "")

    @check("core")
    def test_a_success_has_no_traceback(self, check_done: AsyncResult, result_backend: ResultBackend) -> None:
        """celery.result.AsyncResult.traceback: of a failed task."""
        assert last_state_of(result_backend, check_done) == states.SUCCESS
        assert (check_done.state, check_done.traceback) == (states.SUCCESS, None)

    @except_on("django-db", verdict=UNTRACED)
    @check("core")
    def test_a_retry_has_a_traceback(self, check_tasks: CheckTasks, result_backend: ResultBackend) -> None:
        """userguide/tasks, RETRY: "traceback contains the backtrace of the stack at the point when the exceptions was
        raised"."""
        result = check_tasks.wait_to_retry.delay()
        until_stored(result_backend, result, states.RETRY)
        assert "not yet" in (result.traceback or "")

    @except_on("django-db", verdict=UNTRACED)
    @check("core")
    def test_a_traceback_may_be_in_any_script(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, FAILURE: the text of the exception is part of its traceback."""
        result = check_tasks.refuse.delay("Größe 尺寸 🧦")
        until_stored(result_backend, result, states.FAILURE)
        assert (result.traceback or "").endswith("ValueError: Größe 尺寸 🧦\n")

    @except_on("django-db", verdict=UNTRACED)
    @check("core")
    def test_a_long_traceback_is_stored_to_its_end(
        self, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, FAILURE: the whole of the stack."""

        def descend(levels: int) -> None:
            if not levels:
                raise ValueError("the bottom")
            (ascend if levels % 2 else descend)(levels - 1)

        def ascend(levels: int) -> None:
            (descend if levels % 2 == 0 else ascend)(levels - 1) if levels else descend(0)

        result = result_worker.task(descend, name="conformance.descend").delay(150)
        until_stored(result_backend, result, states.FAILURE)
        found = result.traceback or ""
        assert found.endswith("ValueError: the bottom\n")
        assert found.count("in descend") > 50

    @except_on("django-db", verdict=UNTRACED)
    @check("core")
    def test_a_traceback_tells_what_came_before(
        self, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """Python's own: an exception that was raised from another one has both in its traceback."""

        @result_worker.task
        def wrap() -> None:
            try:
                raise KeyError("the cause")
            except KeyError as error:
                raise ValueError("the effect") from error

        result = wrap.delay()
        until_stored(result_backend, result, states.FAILURE)
        assert "KeyError: 'the cause'" in (result.traceback or "")

    @except_on("django-db", verdict=UNTRACED)
    @check("reread")
    def test_every_reader_finds_the_traceback(
        self, check_failed: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.traceback, of an id alone."""
        assert last_state_of(result_backend, check_failed) == states.FAILURE
        check_failed.get(timeout=LIMIT, propagate=False)
        assert "ValueError: boom" in (AsyncResult(check_failed.id, app=check_failed.app).traceback or "")
