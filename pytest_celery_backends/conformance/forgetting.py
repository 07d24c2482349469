"""What is gone once it was forgotten or deleted, and what stays."""

from __future__ import annotations

from celery import Celery, chain, group, states
from celery.result import AsyncResult, GroupResult

from .. import YES, ResultBackend, ResultWorker, check, except_on, no, not_yet
from .stored import comes_to, last_state_of, records_of
from .tasks import CheckTasks

NOT_BEFORE = no("Celery's RPC backend does not implement forget() before 5.7")


class TestForgetting:
    """celery.result: https://docs.celeryq.dev/en/stable/reference/celery.result.html."""

    @check("forget")
    def test_a_forgotten_result_is_in_the_store_no_more(
        self, check_done: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.forget: "Forget the result of this task"."""
        check_done.forget()
        result_backend.assert_forgotten(check_done)

    @check("forget")
    def test_a_forgotten_failure_is_in_the_store_no_more(
        self, check_failed: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.forget: whatever the result is."""
        check_failed.forget()
        assert records_of(result_backend, check_failed) == []

    @check("forget")
    def test_a_forgotten_result_is_pending_again(
        self, check_done: AsyncResult, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/tasks, PENDING: "Any task id that's not known is implied to be in the pending state"."""
        check_done.forget()
        again = AsyncResult(check_done.id, app=result_app)
        assert (again.state, again.result) == (states.PENDING, None)
        assert records_of(result_backend, check_done) == []

    @check("forget")
    def test_other_results_stay(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.forget: the result of this task, and of no other."""
        results = [
            check_tasks.echo.apply_async((number,), task_id=f"kept-{number}") for number in (1, 10, 100)
        ]
        result_worker.drain()
        results[0].forget()
        assert [last_state_of(result_backend, each) for each in results] == [
            "",
            states.SUCCESS,
            states.SUCCESS,
        ]

    @except_on("rpc", "rpc-memory", verdict=NOT_BEFORE, until=(5, 7))
    @check("forget_absent")
    def test_a_result_that_was_never_stored_can_be_forgotten(
        self, check_unknown: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.forget names no error."""
        check_unknown.forget()
        assert (check_unknown.state, result_backend.stored()) == (states.PENDING, [])

    @except_on("rpc", "rpc-memory", verdict=NOT_BEFORE, until=(5, 7))
    @check("forget_absent")
    def test_a_result_can_be_forgotten_twice(
        self, check_done: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.forget names no error."""
        check_done.forget()
        check_done.forget()
        if result_backend.supports("forget"):
            assert records_of(result_backend, check_done) == []

    @check("forget")
    def test_the_steps_before_in_a_chain_are_forgotten_too(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.forget: "Forget the result of this task and its parents"."""
        result = chain(check_tasks.add.s(1, 1), check_tasks.add.s(2), check_tasks.add.s(3))()
        result_worker.drain()
        result.forget()
        result_backend.assert_forgotten(result)
        assert result_backend.stored() == []

    @check("forget")
    def test_what_a_task_has_sent_is_not_forgotten_with_it(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.forget: the task and its parents, not its children."""
        result = check_tasks.spawn.delay()
        result_worker.drain()
        result.forget()
        assert [each.state for each in result_backend.stored() if each.kind == "task"] == [states.SUCCESS]

    @except_on("rpc", verdict=YES, since=(5, 7))  # RabbitMQ has sent them to who waits for the group
    @check("forget")
    def test_a_forgotten_group_takes_its_members_with_it(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.result.ResultSet.forget: "Forget about (and possible remove the result of) all the tasks"."""
        result = group(check_tasks.double.s(number) for number in range(3))()
        result_worker.drain()
        result.forget()
        result_backend.assert_forgotten(result)
        assert result_backend.stored() == []

    @check("forget")
    def test_a_forgotten_id_may_be_used_anew(
        self,
        check_tasks: CheckTasks,
        result_worker: ResultWorker,
        result_backend: ResultBackend,
        result_app: Celery,
    ) -> None:
        """celery.result.AsyncResult.forget: nothing of the first result is in the way of a second."""
        first = check_tasks.echo.apply_async(("first",), task_id="used-twice")
        result_worker.drain()
        first.forget()
        check_tasks.echo.apply_async(("second",), task_id="used-twice")
        result_worker.drain()
        comes_to(result_backend, AsyncResult("used-twice", app=result_app), "second")

    @check("groups")
    def test_a_deleted_group_is_gone_and_its_members_stay(
        self, check_saved: GroupResult, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """celery.result.GroupResult.delete: "Remove this result if it was previously saved"."""
        check_saved.delete()
        assert GroupResult.restore(check_saved.id, app=result_app) is None
        kinds = [(each.kind, each.state) for each in result_backend.stored()]
        assert kinds == [("task", states.SUCCESS), ("task", states.SUCCESS)]

    @except_on(
        "filesystem",
        verdict=not_yet("delete() raises FileNotFoundError where nothing is saved", "celery#10678"),
    )
    @except_on(
        "azureblob",
        verdict=not_yet("delete() raises before 5.7 where nothing is saved", "celery#10714"),
        until=(5, 7),
    )
    @except_on("django-db", verdict=not_yet("delete() of a group that is gone raises ValueError", ""))
    @check("groups")
    def test_a_group_can_be_deleted_twice(
        self, check_done: AsyncResult, result_app: Celery, result_backend: ResultBackend
    ) -> None:
        """celery.result.GroupResult.delete: "Remove this result if it was previously saved"."""
        GroupResult("conformance-group", [check_done], app=result_app).save()
        result = GroupResult.restore("conformance-group", app=result_app)
        assert result.results == [check_done]
        result.delete()
        result.delete()
        assert [each.kind for each in result_backend.stored()] == ["task"]
