"""What becomes of the exceptions that tasks raise."""

from __future__ import annotations

import pytest
from celery import states
from celery.exceptions import MaxRetriesExceededError
from celery.result import AsyncResult

from .. import YES, ResultBackend, ResultWorker, check, except_on
from .families import ALWAYS_PICKLE, DATABASES, OBJECTS
from .limits import LIMIT
from .stored import last_state_of, until_stored
from .tasks import CheckTasks


class OutOfStock(Exception):
    """An exception of an application, with a code and a text."""


class TestErrors:
    """userguide/tasks, FAILURE: "meta-data: result contains the exception occurred"."""

    @check("core")
    def test_get_raises_what_the_task_raised(
        self, check_failed: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.get: "that exception will be re-raised in the caller process"."""
        assert last_state_of(result_backend, check_failed) == states.FAILURE
        with pytest.raises(ValueError, match="^boom$"):
            check_failed.get(timeout=LIMIT)

    @check("core")
    def test_get_gives_the_exception_where_it_may_not_raise(
        self, check_failed: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.get, propagate: "Re-raise exception if the task failed"."""
        assert last_state_of(result_backend, check_failed) == states.FAILURE
        found = check_failed.get(timeout=LIMIT, propagate=False)
        assert (type(found), found.args) == (ValueError, ("boom",))

    @check("core")
    def test_the_result_of_a_failure_is_its_exception(
        self, check_failed: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.result: "If the task raised an exception, this will be the exception instance"."""
        assert last_state_of(result_backend, check_failed) == states.FAILURE
        assert isinstance(check_failed.result, ValueError)
        assert isinstance(check_failed.info, ValueError)

    @check("core")
    def test_an_exception_keeps_all_its_arguments(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, FAILURE: the exception, with what it was made from."""
        result = check_tasks.raising(ValueError("sold out", 7, None, ["a", "b"]))
        until_stored(result_backend, result, states.FAILURE)
        assert result.get(timeout=LIMIT, propagate=False).args == ("sold out", 7, None, ["a", "b"])

    @check("core")
    def test_an_exception_without_arguments_stays_without(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, FAILURE: the exception, with what it was made from."""
        result = check_tasks.raising(RuntimeError())
        until_stored(result_backend, result, states.FAILURE)
        found = result.get(timeout=LIMIT, propagate=False)
        assert (type(found), found.args, str(found)) == (RuntimeError, (), "")

    @check("core")
    def test_an_exception_of_an_application_is_its_own_class(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, Creating pickleable exceptions: an exception's class is found by its name."""
        result = check_tasks.raising(OutOfStock("sku-1", 3))
        until_stored(result_backend, result, states.FAILURE)
        with pytest.raises(OutOfStock) as raised:
            result.get(timeout=LIMIT)
        assert raised.value.args == ("sku-1", 3)

    @check("core")
    def test_an_exception_may_be_caught_by_its_parent_class(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.get: what is re-raised is the exception, not one of Celery's."""
        result = check_tasks.raising(ZeroDivisionError("x / 0"))
        until_stored(result_backend, result, states.FAILURE)
        with pytest.raises(ArithmeticError, match="^x / 0$"):
            result.get(timeout=LIMIT)

    @check("core")
    def test_an_exception_that_nobody_can_find_keeps_its_name(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """celery.backends.base: an exception whose class cannot be found is one of the same name."""
        error = type("Gone", (Exception,), {"__module__": "a.module.that.is.not.there"})("where")
        result = check_tasks.raising(error)
        until_stored(result_backend, result, states.FAILURE)
        found = result.get(timeout=LIMIT, propagate=False)
        assert isinstance(found, Exception)
        assert "Gone" in f"{type(found).__name__} {found!r}"
        assert "where" in repr(found)

    @check("core")
    def test_an_argument_that_no_serializer_takes_becomes_text(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, Creating pickleable exceptions: what cannot be carried may not lose the failure."""
        result = check_tasks.raising(ValueError(object()))
        until_stored(result_backend, result, states.FAILURE)
        found = result.get(timeout=LIMIT, propagate=False)
        assert isinstance(found, ValueError)
        assert "object object at" in str(found)

    @check("core")
    def test_the_text_of_an_exception_may_be_in_any_script(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, FAILURE: the exception, with what it was made from."""
        text = "Größe: ½ 尺寸 🧦 'quoted' \"twice\" \\n and\nlines"
        result = check_tasks.raising(ValueError(text))
        until_stored(result_backend, result, states.FAILURE)
        assert result.get(timeout=LIMIT, propagate=False).args == (text,)

    @check("core")
    def test_the_text_of_an_exception_may_be_long(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, FAILURE: the exception, with what it was made from."""
        result = check_tasks.raising(ValueError("x" * 10_000))
        until_stored(result_backend, result, states.FAILURE)
        assert result.get(timeout=LIMIT, propagate=False).args == ("x" * 10_000,)

    @except_on("django-cache", verdict=OBJECTS)
    @except_on(*DATABASES, verdict=ALWAYS_PICKLE, until=(5, 7))
    @check("core")
    def test_a_value_that_no_serializer_takes_fails_its_task(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/calling, Serializers: a value has to be one that the serializer takes."""
        result = check_tasks.returning(object())
        until_stored(result_backend, result, states.FAILURE)
        found = result.get(timeout=LIMIT, propagate=False)
        assert "not JSON serializable" in str(found)
        assert result.failed()

    @check("core")
    def test_a_task_that_is_given_too_little_fails(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, Task.typing: without it, the worker alone finds that an argument is missing."""

        @result_worker.task(typing=False)
        def subtract(x: int, y: int) -> int:
            return x - y

        result = subtract.delay(1)
        until_stored(result_backend, result, states.FAILURE)
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'y'"):
            result.get(timeout=LIMIT)

    @check("core")
    def test_too_many_retries_without_a_reason_are_an_error_of_their_own(
        self, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, Retrying: "MaxRetriesExceededError" where no exception was given."""

        @result_worker.task(bind=True, max_retries=0)
        def never(self):  # type: ignore[no-untyped-def]
            raise self.retry(countdown=0)

        result = never.delay()
        until_stored(result_backend, result, states.FAILURE)
        with pytest.raises(MaxRetriesExceededError):
            result.get(timeout=LIMIT)

    @except_on("django-cache", verdict=YES)
    @except_on(*DATABASES, verdict=YES, until=(5, 7))
    @check("serializers")
    @pytest.mark.celery(result_serializer="pickle", accept_content=["json", "pickle"])
    def test_pickle_keeps_what_an_exception_carries(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/calling, Serializers: pickle supports all built-in types, and instances."""
        error = OutOfStock("sku-1", {"a": (1, 2)})
        result = check_tasks.raising(error)
        until_stored(result_backend, result, states.FAILURE)
        found = result.get(timeout=LIMIT, propagate=False)
        assert (type(found), found.args) == (OutOfStock, ("sku-1", {"a": (1, 2)}))

    @check("core")
    def test_maybe_throw_raises_at_once(
        self, check_failed: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.maybe_throw: raises what the task raised, without waiting."""
        assert last_state_of(result_backend, check_failed) == states.FAILURE
        with pytest.raises(ValueError, match="^boom$"):
            check_failed.maybe_throw()
