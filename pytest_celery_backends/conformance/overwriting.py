"""What happens to a stored state when another one comes, and that doing a thing twice is doing it once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from celery import Celery, states, uuid
from celery.result import AsyncResult

from .. import YES, ResultBackend, ResultWorker, check, except_on, no, not_yet
from .families import DATABASES, FIRST_STATE, RPC
from .limits import ANSWER, LIMIT
from .stored import last_state_of, records_of
from .tasks import CheckTasks

#: What a store by hand cannot do where results are messages.
NOBODY_TO_SEND_TO = no("a result is sent to who sent the task, whom nobody knows without its request")
UNGUARDED = not_yet("a success that is stored is replaced by what comes later", "celery#10920")
UNGUARDED_THERE = not_yet("a success that is stored is replaced by what comes later", "")
BEFORE_57 = (*DATABASES, "mongodb", "cassandra")


class TestOverwriting:
    """celery.backends.base: a success is kept, all other states give way to later ones.

    A task may run more than once: https://docs.celeryq.dev/en/stable/userguide/tasks.html#Task.acks_late.
    """

    @pytest.fixture
    def order(self) -> str:
        """An id that no other check has: clients remember what they were told of one."""
        return str(uuid())

    @pytest.fixture
    def success_stays(
        self, order: str, result_backend: ResultBackend, result_app: Celery
    ) -> Callable[[str, object], None]:
        """Stores a success and then another state, and asserts that the success is what is there."""

        def stays(state: str, value: object) -> None:
            result_app.backend.store_result(order, 4, states.SUCCESS)
            result_app.backend.store_result(order, value, state)
            assert last_state_of(result_backend, order) == states.SUCCESS
            assert AsyncResult(order, app=result_app).get(timeout=LIMIT) == 4

        return stays

    @except_on("consul", verdict=FIRST_STATE)
    @except_on(*RPC, verdict=NOBODY_TO_SEND_TO)
    @check("core")
    def test_a_later_state_takes_the_place_of_an_earlier_one(
        self, order: str, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/tasks, States: "a task can only be in a single state"."""
        for state, meta in (("PACKED", 1), ("SENT", 2)):
            result_app.backend.store_result(order, meta, state)
        assert [each.state for each in records_of(result_backend, order)] == ["SENT"]
        assert AsyncResult(order, app=result_app).info == 2

    @except_on("consul", verdict=FIRST_STATE)
    @except_on(*RPC, verdict=NOBODY_TO_SEND_TO)
    @check("core")
    def test_meta_is_replaced_and_not_merged(
        self, order: str, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/tasks, Custom states: meta is what update_state was given last."""
        result_app.backend.store_result(order, {"done": 1, "of": 9}, "PROGRESS")
        result_app.backend.store_result(order, {"done": 2}, "PROGRESS")
        assert last_state_of(result_backend, order) == "PROGRESS"
        assert AsyncResult(order, app=result_app).info == {"done": 2}

    @except_on("consul", verdict=FIRST_STATE)
    @except_on(*RPC, verdict=NOBODY_TO_SEND_TO)
    @check("core")
    def test_a_short_result_leaves_nothing_of_a_long_one(
        self, order: str, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """celery.result.AsyncResult.info: what was stored last, and that alone."""
        result_app.backend.store_result(order, "x" * 10_000, "PROGRESS")
        result_app.backend.store_result(order, "y", states.SUCCESS)
        assert [each.size < 5_000 for each in records_of(result_backend, order)] == [True]
        assert AsyncResult(order, app=result_app).get(timeout=LIMIT) == "y"

    @except_on("consul", verdict=FIRST_STATE)
    @except_on(*RPC, verdict=NOBODY_TO_SEND_TO)
    @check("core")
    def test_a_failure_may_become_a_success(
        self, order: str, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/tasks, acks_late: a task that failed may run again, and succeed."""
        result_app.backend.store_result(order, ValueError("boom"), states.FAILURE)
        assert last_state_of(result_backend, order) == states.FAILURE
        result_app.backend.store_result(order, 4, states.SUCCESS)
        assert last_state_of(result_backend, order) == states.SUCCESS
        assert AsyncResult(order, app=result_app).get(timeout=LIMIT) == 4

    @except_on("consul", verdict=FIRST_STATE)
    @except_on(*RPC, verdict=NOBODY_TO_SEND_TO)
    @check("core")
    def test_no_traceback_outlives_its_failure(
        self, order: str, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """celery.result.AsyncResult.traceback: "Get the traceback of a failed task"."""
        result_app.backend.store_result(order, ValueError("boom"), states.FAILURE, traceback="boom at 1")
        result_app.backend.store_result(order, 4, states.SUCCESS)
        assert last_state_of(result_backend, order) == states.SUCCESS
        assert AsyncResult(order, app=result_app).traceback is None

    @except_on(*RPC, verdict=NOBODY_TO_SEND_TO)
    @except_on("django-db", verdict=UNGUARDED_THERE)
    @except_on(*BEFORE_57, verdict=UNGUARDED, until=(5, 7))
    @check("core")
    def test_a_success_is_not_undone_by_a_start(self, success_stays: Callable[[str, object], None]) -> None:
        """changelog 4.4 and 5.7: a result in the state SUCCESS is not overwritten."""
        success_stays(states.STARTED, {"pid": 1})

    @except_on(*RPC, verdict=NOBODY_TO_SEND_TO)
    @except_on("django-db", verdict=UNGUARDED_THERE)
    @except_on(*BEFORE_57, verdict=UNGUARDED, until=(5, 7))
    @check("core")
    def test_a_success_is_not_undone_by_a_failure(self, success_stays: Callable[[str, object], None]) -> None:
        """changelog 4.4 and 5.7: a result in the state SUCCESS is not overwritten."""
        success_stays(states.FAILURE, ValueError("lost worker"))

    @except_on(*RPC, verdict=NOBODY_TO_SEND_TO)
    @except_on("django-db", verdict=UNGUARDED_THERE)
    @except_on(*BEFORE_57, verdict=UNGUARDED, until=(5, 7))
    @check("core")
    def test_a_success_is_not_undone_by_a_retry(self, success_stays: Callable[[str, object], None]) -> None:
        """changelog 4.4 and 5.7: a result in the state SUCCESS is not overwritten."""
        success_stays(states.RETRY, ValueError("again"))

    @except_on(*RPC, verdict=NOBODY_TO_SEND_TO)
    @except_on("django-db", verdict=UNGUARDED_THERE)
    @except_on(*BEFORE_57, verdict=UNGUARDED, until=(5, 7))
    @check("core")
    def test_the_first_success_counts(
        self, order: str, result_backend: ResultBackend, success_stays: Callable[[str, object], None]
    ) -> None:
        """userguide/tasks, acks_late: a task may run twice; who has read its value will not find another."""
        success_stays(states.SUCCESS, 5)
        assert [each.state for each in records_of(result_backend, order)] == [states.SUCCESS]

    @except_on("django-db", verdict=UNGUARDED_THERE)
    @except_on(*BEFORE_57, verdict=UNGUARDED, until=(5, 7))
    @check("reread")
    def test_a_task_that_is_sent_again_changes_nothing(
        self, order: str, result_backend: ResultBackend, check_tasks: CheckTasks, result_worker: ResultWorker
    ) -> None:
        """userguide/tasks: "the task may be executed multiple times", with the same id."""
        first = check_tasks.add.apply_async((2, 2), task_id=order)
        result_worker.drain()
        check_tasks.add.apply_async((3, 3), task_id=order)
        result_worker.drain()
        assert [each.state for each in records_of(result_backend, order)] == [states.SUCCESS]
        assert AsyncResult(order, app=first.app).get(timeout=LIMIT) == 4

    @except_on("consul", verdict=FIRST_STATE)
    @check("reread")
    def test_a_task_that_failed_and_is_sent_again_may_succeed(
        self, order: str, result_backend: ResultBackend, check_tasks: CheckTasks, result_worker: ResultWorker
    ) -> None:
        """userguide/tasks, acks_late: what failed the first time need not the second time."""
        check_tasks.refuse.apply_async(task_id=order)
        result_worker.drain()
        assert last_state_of(result_backend, order) == states.FAILURE
        result = check_tasks.add.apply_async((2, 2), task_id=order)
        result_worker.drain()
        assert last_state_of(result_backend, order) == states.SUCCESS
        assert AsyncResult(order, app=result.app).get(timeout=LIMIT) == 4

    @check("reread")
    def test_reading_twice_gives_the_same(
        self, check_done: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """userguide/calling: AsyncResult(id) reads the task's state, and does not take it."""
        results = [AsyncResult(check_done.id, app=check_done.app) for _ in range(3)]
        assert [each.get(timeout=ANSWER) for each in results] == [4, 4, 4]
        assert last_state_of(result_backend, check_done) == states.SUCCESS

    @except_on(*RPC, verdict=YES, until=(5, 7))
    @check("reread")
    def test_reading_changes_nothing_that_is_stored(
        self, check_done: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult: "Query task state"."""
        before = [each.raw for each in records_of(result_backend, check_done)]
        assert (check_done.state, check_done.get(timeout=LIMIT), check_done.traceback) == (
            states.SUCCESS,
            4,
            None,
        )
        assert [each.raw for each in records_of(result_backend, check_done)] == before
        assert len(before) == 1

    @check("core")
    def test_asking_for_an_unknown_id_stores_nothing(
        self, check_unknown: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, PENDING: what is not known is pending, and stays unknown."""
        assert [check_unknown.state, check_unknown.ready(), check_unknown.info] == [
            states.PENDING,
            False,
            None,
        ]
        assert [each for each in result_backend.stored() if each.task_id == check_unknown.id] == []
        assert AsyncResult(check_unknown.id, app=check_unknown.app).state == states.PENDING
