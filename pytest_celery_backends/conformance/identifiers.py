"""Which ids a store takes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, states
from celery.result import AsyncResult

from .. import ResultBackend, ResultWorker, check, except_on, no, not_yet
from .families import KEYS, RPC
from .limits import LIMIT, LONG
from .overwriting import NOBODY_TO_SEND_TO
from .stored import last_state_of, records_of, states_of
from .tasks import CheckTasks

#: What databases have room for: ``task_id`` is a VARCHAR(155) in celery/backends/database/models.py.
LONGEST = 155
NO_UUID = not_yet("an id has to be text", "celery#10406")


def sent(check_tasks: CheckTasks, result_worker: ResultWorker, *ids: str) -> list[AsyncResult]:
    """The results of tasks that return their own ids."""
    results = [check_tasks.echo.apply_async((each,), task_id=each) for each in ids]
    result_worker.drain(timeout=LONG)
    return results


def are_found(result_backend: ResultBackend, results: list[AsyncResult]) -> None:
    """Assert that each of them is in the store under its own id, and is read by it."""
    assert {each.id: states_of(result_backend, each) for each in results} == {
        each.id: [states.SUCCESS] for each in results
    }
    assert [each.get(timeout=LIMIT) for each in results] == [each.id for each in results]


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
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.app.task.Task.apply_async, task_id: the whole of it counts, however long."""
        one, other = "x" * (LONGEST - 1) + "1", "x" * (LONGEST - 1) + "2"
        are_found(result_backend, sent(check_tasks, result_worker, one, other))

    @check("core")
    def test_an_id_that_begins_as_another_is_another(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.app.task.Task.apply_async, task_id."""
        ids = ("order-1", "order-10", "order-100")
        are_found(result_backend, sent(check_tasks, result_worker, *ids))

    @except_on(
        "mysql", "mariadb", verdict=no("its default collation takes capitals and small letters for the same")
    )
    @check("core")
    def test_capitals_and_small_letters_are_two_ids(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.app.task.Task.apply_async, task_id."""
        ids = ("order-a", "order-A")
        are_found(result_backend, sent(check_tasks, result_worker, *ids))

    @except_on(*RPC, verdict=NOBODY_TO_SEND_TO)
    @except_on("mysql", "mariadb", verdict=NO_UUID, until=(5, 6))  # which takes SQLAlchemy before 2.1
    @except_on("postgres", "sqlite", "mongodb", verdict=NO_UUID)
    @except_on(*KEYS, "django-cache", verdict=NO_UUID, until=(5, 7))
    @check("core")
    def test_an_id_may_be_given_as_uuid(self, result_backend: ResultBackend, result_app: Celery) -> None:
        """celery#10406: an id is what its text is, whether it is given as text or as UUID."""
        task_id = uuid4()
        result_app.backend.store_result(task_id, 4, states.SUCCESS)
        assert states_of(result_backend, str(task_id)) == [states.SUCCESS]
        assert AsyncResult(task_id, app=result_app).get(timeout=LIMIT) == 4

    @check("core")
    def test_a_hundred_results_are_all_found(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult: each id has a result of its own."""
        ids = [f"many-{number}" for number in range(100)]
        results = sent(check_tasks, result_worker, *ids)
        assert {each.task_id for each in result_backend.stored()} >= set(ids)
        assert [each.get(timeout=LIMIT) for each in results[::10]] == ids[::10]

    @except_on(
        "django-db", verdict=no("arguments are stored as they are shown, which leaves out what is long")
    )
    @check("extended")
    @pytest.mark.celery(result_extended=True)
    def test_arguments_of_ten_thousand_bytes_are_stored_with_the_result(
        self, result_worker: ResultWorker, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, result_extended: "name, args, kwargs, worker, retries, queue, delivery_info"."""

        @result_worker.task(name="conformance.hide")
        def hide(text: str) -> None: ...

        result = hide.delay("x" * 10_000)
        result_worker.drain()
        (found,) = records_of(result_backend, result)
        # a database has them in a column beside the result, and Django compresses what it caches
        assert max(found.size, len(found.raw)) > 10_000
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
