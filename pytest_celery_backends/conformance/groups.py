"""What becomes of several results that belong together."""

from __future__ import annotations

import pytest
from celery import Celery, group, states
from celery.exceptions import TimeoutError as GaveUp
from celery.result import AsyncResult, GroupResult, ResultSet

from .. import ResultBackend, ResultWorker, check, except_on, no
from .limits import LIMIT, LONG, SHORT, until
from .stored import comes_to, kept_states, records_of, states_of
from .tasks import CheckTasks

#: celery/backends/rpc.py: a set of results consumes the queue, from which a state is read one by one.
CONSUMED = no("once a set waits for its results, RabbitMQ sends them to that, and nothing else reads them")


class TestGroups:
    """userguide/canvas, Groups: https://docs.celeryq.dev/en/stable/userguide/canvas.html#groups."""

    @check("core")
    def test_values_come_in_the_order_of_the_tasks_and_not_of_their_ends(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """celery.result.ResultSet.join: "Gather the results of all tasks as a list in order"."""
        late = check_tasks.echo.s("first").set(countdown=0.1)
        result = group(late, check_tasks.echo.s("second"), check_tasks.echo.s("third"))()
        comes_to(result_backend, result, ["first", "second", "third"])

    @check("core")
    def test_it_is_complete_in_the_store(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Groups: "a group of tasks that should be executed in parallel"."""
        result = group(check_tasks.double.s(number) for number in range(3))()
        result_backend.assert_group_complete(result, timeout=LIMIT)
        assert result.get(timeout=LIMIT) == [0, 2, 4]

    @check("core")
    def test_a_hundred_tasks_lose_no_result(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.result.ResultSet.get: all results, however many."""
        result = group(check_tasks.double.s(number) for number in range(100))()
        result_worker.drain(timeout=LONG)
        comes_to(result_backend, result, [2 * number for number in range(100)])

    @except_on("rpc", verdict=CONSUMED)
    @check("core")
    def test_it_is_not_ready_while_one_task_waits(
        self,
        check_done: AsyncResult,
        check_waiting: AsyncResult,
        result_backend: ResultBackend,
        result_app: Celery,
    ) -> None:
        """celery.result.ResultSet.ready: "Did all of the tasks complete? (either by success of failure)"."""
        assert states_of(result_backend, check_done) == [states.SUCCESS]
        assert states_of(result_backend, check_waiting) == []
        result = ResultSet([check_done, check_waiting], app=result_app)
        until(lambda: result.completed_count() == 1, "first of two results")
        assert (result.ready(), result.waiting(), result.successful()) == (False, True, False)

    @except_on("rpc", verdict=CONSUMED)
    @check("core")
    def test_only_what_succeeded_counts_as_completed(
        self,
        check_done: AsyncResult,
        check_failed: AsyncResult,
        result_backend: ResultBackend,
        result_app: Celery,
    ) -> None:
        """celery.result.ResultSet.completed_count: "Task completion count"."""
        assert states_of(result_backend, check_done) == [states.SUCCESS]
        assert states_of(result_backend, check_failed) == [states.FAILURE]
        result = ResultSet([check_done, check_failed], app=result_app)
        assert result.completed_count() == 1
        assert (result.ready(), result.failed(), result.successful()) == (True, True, False)

    @check("core")
    def test_what_one_task_raised_is_raised(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """celery.result.ResultSet.get, propagate: "If any of the tasks raises an exception, the exception will
        be re-raised"."""
        result = group(check_tasks.echo.s(1), check_tasks.refuse.s("boom"))()
        with pytest.raises(ValueError, match="^boom$"):
            result.get(timeout=LIMIT)
        assert kept_states(result_backend, result.results[1:]) == [states.FAILURE]

    @check("core")
    def test_what_one_task_raised_stands_in_its_place_where_it_may_not_be_raised(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """celery.result.ResultSet.join, propagate=False."""
        result = group(check_tasks.echo.s(1), check_tasks.refuse.s("boom"), check_tasks.echo.s(3))()
        first, error, last = result.get(timeout=LIMIT, propagate=False)
        assert (first, type(error), error.args, last) == (1, ValueError, ("boom",), 3)
        kept = kept_states(result_backend, result.results)
        assert kept == [states.SUCCESS, states.FAILURE, states.SUCCESS]

    @check("core")
    def test_waiting_for_all_gives_up_after_its_timeout(
        self,
        check_done: AsyncResult,
        check_waiting: AsyncResult,
        result_backend: ResultBackend,
        result_app: Celery,
    ) -> None:
        """celery.result.ResultSet.join: "TimeoutError: if timeout is not None and the operation takes longer than
        timeout seconds"."""
        assert states_of(result_backend, check_done) == [states.SUCCESS]
        assert states_of(result_backend, check_waiting) == []
        with pytest.raises(GaveUp):
            ResultSet([check_done, check_waiting], app=result_app).get(timeout=SHORT)
        assert check_done.get(timeout=LIMIT) == 4

    @check("core")
    def test_a_group_within_a_group_gives_one_list(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Groups: groups may be members of groups; their tasks run in parallel all the same."""
        echo = check_tasks.echo
        result = group(echo.s(1), group(echo.s(2), echo.s(3)), echo.s(4))()
        comes_to(result_backend, result, [1, 2, 3, 4])

    @check("core")
    def test_what_a_task_returned_goes_to_each_task_of_a_group(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Groups: "chain ... | group": each task of the group is given the result before it."""
        result = (check_tasks.add.s(1, 1) | group(check_tasks.add.s(10), check_tasks.add.s(20)))()
        comes_to(result_backend, result, [12, 22])

    @check("batch")
    def test_results_that_are_there_are_read_at_once(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """celery.result.ResultSet.join_native: "Backend optimized version of join"."""
        result = group(check_tasks.double.s(number) for number in range(20))()
        result_worker.drain()
        with result_backend.commands() as commands:
            assert result.join_native(timeout=LIMIT) == [2 * number for number in range(20)]
        assert len([text for text in commands.texts if "SUBSCRIBE" not in text]) <= 10, commands.texts

    @check("groups")
    def test_a_saved_group_is_one_record_in_the_store(
        self, check_tasks: CheckTasks, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """celery.result.GroupResult.save: "Save group-result for later retrieval using restore"."""
        result = group(check_tasks.double.s(number) for number in range(3))()
        result.save()
        assert GroupResult.restore(result.id, app=result_app).id == result.id
        assert [each.task_id for each in result_backend.stored() if each.kind == "group"] == [result.id]

    @check("groups")
    def test_a_saved_group_comes_back_with_its_members_in_order(
        self,
        check_tasks: CheckTasks,
        result_worker: ResultWorker,
        result_backend: ResultBackend,
        result_app: Celery,
    ) -> None:
        """celery.result.GroupResult.restore: "Restore previously saved group result"."""
        result = group(check_tasks.double.s(number) for number in range(5))()
        result.save()
        result_worker.drain()
        group_id, ids = result.id, [each.id for each in result]
        del result  # before Celery 5.7 only the first result of an id is told in a client (celery#10956)
        again = GroupResult.restore(group_id, app=result_app)
        assert (again.id, [each.id for each in again]) == (group_id, ids)
        comes_to(result_backend, again, [0, 2, 4, 6, 8])

    @check("groups")
    def test_saving_a_group_stores_no_result_of_a_member(
        self, check_waiting: AsyncResult, result_app: Celery, result_backend: ResultBackend
    ) -> None:
        """celery.result.GroupResult.save: what is saved are the ids of the members."""
        GroupResult("conformance-group", [check_waiting], app=result_app).save()
        assert GroupResult.restore("conformance-group", app=result_app).results == [check_waiting]
        assert records_of(result_backend, check_waiting) == []

    @check("groups")
    def test_a_group_that_was_never_saved_is_none(
        self, check_done: AsyncResult, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """celery.result.GroupResult.restore: there is nothing to restore."""
        GroupResult("conformance-saved", [check_done], app=result_app).save()
        found = [GroupResult.restore(f"conformance-{name}", app=result_app) for name in ("saved", "unsaved")]
        assert (found[0].results, found[1]) == ([check_done], None)
        stored = [each.task_id for each in result_backend.stored() if each.kind == "group"]
        assert stored == ["conformance-saved"]
