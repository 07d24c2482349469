"""What becomes of a chord when one of its tasks fails."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery, chord, states
from celery.result import AsyncResult

from .. import ResultBackend, ResultWorker, check, except_on
from .families import UNTRACED
from .limits import LIMIT, until
from .stored import comes_to, last_state_of, until_stored
from .tasks import CheckTasks


def failing(check_tasks: CheckTasks) -> AsyncResult:
    """The body of a chord that has a task which raises."""
    header = [check_tasks.echo.s(1), check_tasks.refuse.s("boom"), check_tasks.echo.s(3)]
    result: AsyncResult = chord(header, check_tasks.echo.s())()
    return result


class TestChordErrors:
    """userguide/canvas, Error handling: https://docs.celeryq.dev/en/stable/userguide/canvas.html#chord-errors."""

    @check("chords")
    def test_the_body_fails_with_the_header(
        self, check_tasks: CheckTasks, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/canvas, Error handling: "The chord callback result will transition to the failure state"."""
        body = failing(check_tasks)
        until_stored(result_backend, body, states.FAILURE)
        assert AsyncResult(body.id, app=result_app).state == states.FAILURE

    @check("chords")
    def test_the_error_of_the_body_says_what_was_raised(
        self, check_tasks: CheckTasks, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/canvas, Error handling: "the error is set to the ChordError exception", which names the task's."""
        body = failing(check_tasks)
        until_stored(result_backend, body, states.FAILURE)
        told = AsyncResult(body.id, app=result_app).result
        assert (type(told).__name__, "boom" in str(told)) == ("ChordError", True)

    @check("chords")
    def test_the_body_does_not_run(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Error handling: the body is failed in place of being run."""
        ran: list[Any] = []

        @result_worker.task(name="conformance.note")
        def note(values: Any) -> None:
            ran.append(values)

        header = [check_tasks.echo.s(1), check_tasks.refuse.s("boom")]
        body = chord(header, note.s())()
        until_stored(result_backend, body, states.FAILURE)
        result_worker.drain()
        assert ran == []

    @check("chords")
    def test_who_waits_for_the_body_is_told(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Error handling: ``c.get()`` raises."""
        body = failing(check_tasks)
        with pytest.raises(Exception, match="boom"):
            body.get(timeout=LIMIT)
        until_stored(result_backend, body, states.FAILURE)

    @check("chords")
    def test_the_other_tasks_of_the_header_keep_their_results(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Error handling: "the rest of the tasks will still execute"."""
        body = failing(check_tasks)
        result_worker.drain()
        kept = [last_state_of(result_backend, each) for each in body.parent]
        assert kept == [states.SUCCESS, states.FAILURE, states.SUCCESS]

    @check("chords")
    def test_the_errback_of_the_body_is_called(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Error handling: ``add.s().on_error(...)`` on the body."""
        told: list[Any] = []

        @result_worker.task(name="conformance.tell")
        def tell(request: Any, error: Any, traceback: Any) -> None:
            told.append(error)

        body = chord(
            [check_tasks.echo.s(1), check_tasks.refuse.s("boom")], check_tasks.echo.s().on_error(tell.s())
        )()
        until(lambda: bool(told), "call of the errback")
        result_worker.drain()
        assert ["boom" in str(error) for error in told] == [True]
        assert last_state_of(result_backend, body) == states.FAILURE

    @except_on("django-db", verdict=UNTRACED)
    @check("chords")
    def test_what_the_body_raises_is_its_own_error(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Chords: the body is a task as any other."""
        header = [check_tasks.echo.s(1), check_tasks.echo.s(2)]
        body = chord(header, check_tasks.refuse.si("of the body"))()
        error = result_backend.assert_raises_in_task(body, ValueError, match="^of the body$", timeout=LIMIT)
        assert error.args == ("of the body",)

    @check("chords")
    def test_a_chord_that_failed_does_not_stop_the_next(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Chords: each header has its own body."""
        with pytest.raises(Exception, match="boom"):
            failing(check_tasks).get(timeout=LIMIT)
        body = chord([check_tasks.echo.s(1), check_tasks.echo.s(2)], check_tasks.total.s())()
        comes_to(result_backend, body, 3)
