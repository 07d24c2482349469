"""Which ids and how large results a store takes."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from celery import Celery, states
from celery.result import AsyncResult

from .. import YES, ResultBackend, ResultWorker, check, except_on, no
from .limits import LIMIT
from .stored import last_state_of, records_of
from .tasks import CheckTasks

#: What databases have room for: ``task_id`` is a VARCHAR(155) in celery/backends/database/models.py.
LONGEST = 155
#: Seconds for a hundred tasks, or for much text, on a machine that has other things to do.
LONG = 30.0


def sent(check_tasks: CheckTasks, result_worker: ResultWorker, *ids: str) -> list[AsyncResult]:
    """The results of tasks that return their own ids."""
    results = [check_tasks.echo.apply_async((each,), task_id=each) for each in ids]
    result_worker.drain(timeout=LONG)
    return results


class TestIdentifiers:
    """celery.app.task.Task.apply_async, task_id: https://docs.celeryq.dev/en/stable/reference/celery.app.task.html."""

    @check("core")
    def test_a_result_is_stored_under_the_id_that_was_given(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.app.task.Task.apply_async: "task_id"."""
        (result,) = sent(check_tasks, result_worker, "order-4711")
        assert last_state_of(result_backend, "order-4711") == states.SUCCESS
        assert result.get(timeout=LIMIT) == "order-4711"

    @check("core")
    def test_an_id_may_have_punctuation(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.app.task.Task.apply_async, task_id: a string, of which no document says what may be in it."""
        ids = [f"a{mark}b" for mark in ".:_-=+@~"]
        results = sent(check_tasks, result_worker, *ids)
        assert {each.task_id for each in result_backend.stored()} >= set(ids)
        assert [each.get(timeout=LIMIT) for each in results] == ids

    @check("core")
    def test_an_id_may_be_as_long_as_a_database_column(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.backends.database.models: ids of up to 155 characters."""
        (result,) = sent(check_tasks, result_worker, "x" * LONGEST)
        assert last_state_of(result_backend, "x" * LONGEST) == states.SUCCESS
        assert result.get(timeout=LIMIT) == "x" * LONGEST

    @check("core")
    def test_ids_that_differ_in_their_last_character_are_two(
        self, check_tasks: CheckTasks, result_worker: ResultWorker
    ) -> None:
        """celery.app.task.Task.apply_async, task_id: the whole of it counts, however long."""
        one, other = "x" * (LONGEST - 1) + "1", "x" * (LONGEST - 1) + "2"
        values = [each.get(timeout=LIMIT) for each in sent(check_tasks, result_worker, one, other)]
        assert values == [one, other]

    @check("core")
    def test_an_id_that_begins_as_another_is_another(
        self, check_tasks: CheckTasks, result_worker: ResultWorker
    ) -> None:
        """celery.app.task.Task.apply_async, task_id."""
        ids = ("order-1", "order-10", "order-100")
        assert [each.get(timeout=LIMIT) for each in sent(check_tasks, result_worker, *ids)] == list(ids)

    @except_on(
        "mysql", "mariadb", verdict=no("its default collation takes capitals and small letters for the same")
    )
    @check("core")
    def test_capitals_and_small_letters_are_two_ids(
        self, check_tasks: CheckTasks, result_worker: ResultWorker
    ) -> None:
        """celery.app.task.Task.apply_async, task_id."""
        ids = ("order-a", "order-A")
        assert [each.get(timeout=LIMIT) for each in sent(check_tasks, result_worker, *ids)] == list(ids)

    @check("core")
    def test_an_id_may_be_given_as_uuid(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.utils.uuid gives text; the text of a UUID is the same id."""
        task_id: UUID = uuid4()
        (result,) = sent(check_tasks, result_worker, str(task_id))
        assert last_state_of(result_backend, str(task_id)) == states.SUCCESS
        assert result.get(timeout=LIMIT) == str(task_id)

    @check("core")
    def test_a_hundred_results_are_all_found(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult: each id has a result of its own."""
        ids = [f"many-{number}" for number in range(100)]
        results = sent(check_tasks, result_worker, *ids)
        assert {each.task_id for each in result_backend.stored()} >= set(ids)
        assert [each.get(timeout=LIMIT) for each in results[::10]] == ids[::10]

    @check("large_results")
    def test_a_hundred_thousand_bytes_of_text_come_back_whole(self, check_tasks: CheckTasks) -> None:
        """userguide/tasks, Result Backends: what a task returns is stored, in characters of one byte or four."""
        for text in ("x" * 100_000, "ü" * 50_000, "\U0001f600" * 25_000):
            assert check_tasks.echo.delay(text).get(timeout=LONG) == text

    @except_on("mysql", "mariadb", verdict=YES)  # it is half as long as they have room for
    @check("large_results")
    def test_a_list_of_ten_thousand_numbers_comes_back_whole(self, check_tasks: CheckTasks) -> None:
        """userguide/tasks, Result Backends: what a task returns is stored."""
        assert check_tasks.echo.delay(list(range(10_000))).get(timeout=LONG) == list(range(10_000))

    @check("core")
    def test_the_text_of_an_exception_may_be_long(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, FAILURE: "The result contains the exception"."""
        text = "x" * 10_000
        result = check_tasks.refuse.delay(text)
        error = result.get(timeout=LIMIT, propagate=False)
        assert (type(error), error.args) == (ValueError, (text,))

    @except_on(
        "django-db", verdict=no("arguments are stored as they are shown, which leaves out what is long")
    )
    @check("extended")
    @pytest.mark.celery(result_extended=True)
    def test_arguments_of_ten_thousand_bytes_are_stored_with_the_result(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_app: Celery
    ) -> None:
        """userguide/configuration, result_extended: "name, args, kwargs, worker, retries, queue, delivery_info"."""
        result: Any = check_tasks.echo.delay("x" * 10_000)
        result_worker.drain()
        assert "x" * 10_000 in str(AsyncResult(result.id, app=result_app).args)

    @check("core")
    def test_an_empty_value_is_a_result_too(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, SUCCESS: what is stored says that the task has ended, whatever it returned."""
        values: list[Any] = ["", [], {}, 0, False, None]
        results = [check_tasks.echo.delay(value) for value in values]
        result_worker.drain()
        assert [len(records_of(result_backend, each)) >= 1 for each in results] == [True] * 6
        assert [each.get(timeout=LIMIT) for each in results] == values
