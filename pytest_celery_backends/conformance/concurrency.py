"""What becomes of results that several threads store and read at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Barrier, Thread
from typing import Any

import pytest
from celery import Celery, group, states
from celery.result import AsyncResult, GroupResult

from .. import ResultBackend, ResultWorker, check
from .limits import LIMIT, LONG
from .stored import last_state_of, records_of, states_of
from .tasks import CheckTasks


def at_once(calls: Sequence[Callable[[], Any]], limit: float = LONG) -> list[Any]:
    """What the calls give, each in a thread of its own that starts when all are there; the first error is raised.

    Arguments:
        limit: seconds for all of them.
    """
    found: list[Any] = [None] * len(calls)
    errors: list[BaseException] = []
    barrier = Barrier(len(calls))

    def run(number: int) -> None:
        try:
            barrier.wait(timeout=limit)
            found[number] = calls[number]()
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=run, args=(number,), daemon=True) for number in range(len(calls))]
    for each in threads:
        each.start()
    end = time.monotonic() + limit
    for each in threads:
        each.join(max(0, end - time.monotonic()))
    if errors:
        raise errors[0]
    alive = [each for each in threads if each.is_alive()]
    assert not alive, f"{len(alive)} of {len(threads)} threads did not end within {limit:g} s"
    return found


class TestConcurrency:
    """userguide/workers, Concurrency: https://docs.celeryq.dev/en/stable/userguide/workers.html#concurrency."""

    @check("reread")
    def test_fifty_readers_read_the_same(
        self, check_done: AsyncResult, result_app: Celery, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult: whoever has the id reads the result."""

        def read() -> Any:
            return AsyncResult(check_done.id, app=result_app).result

        assert at_once([read] * 50) == [4] * 50
        assert states_of(result_backend, check_done) == [states.SUCCESS]

    @check("reread")
    def test_two_writers_of_one_result_leave_one_of_both(
        self, result_app: Celery, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, Result Backends: a task may run twice; what is stored is the result of one run."""
        for number in range(10):
            task_id = f"written-twice-{number}"

            def write(value: str, task_id: str = task_id) -> None:
                result_app.backend.store_result(task_id, [value] * 200, states.SUCCESS)

            at_once([lambda: write("one"), lambda: write("two")])
            assert len(records_of(result_backend, task_id)) == 1
            found = AsyncResult(task_id, app=result_app).get(timeout=LIMIT)
            assert found in (["one"] * 200, ["two"] * 200)

    @check("reread")
    def test_twenty_writers_lose_no_result(self, result_app: Celery, result_backend: ResultBackend) -> None:
        """userguide/workers, Concurrency: worker processes store their results independently."""
        ids = [f"written-{number}" for number in range(20)]
        at_once([partial(self.write, result_app, each) for each in ids])
        assert [last_state_of(result_backend, each) for each in ids] == [states.SUCCESS] * 20
        assert [AsyncResult(each, app=result_app).get(timeout=LIMIT) for each in ids] == ids

    def write(self, app: Celery, task_id: str) -> None:
        """Store a result by the backend of this thread."""
        app.backend.store_result(task_id, task_id, states.SUCCESS)

    @check("core")
    @pytest.mark.celery(worker_pool="threads", worker_concurrency=4)
    def test_a_worker_of_four_threads_stores_each_result(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """userguide/concurrency: worker_pool "threads"."""
        result = group(check_tasks.double.s(number) for number in range(20))()
        result_worker.drain(timeout=LONG)
        result_backend.assert_group_complete(result, timeout=LONG)
        assert result.get(timeout=LONG) == [2 * number for number in range(20)]

    @check("chords")
    @pytest.mark.celery(worker_pool="threads", worker_concurrency=4)
    def test_a_chord_on_four_threads_runs_its_body_once(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """userguide/canvas, Chords: header tasks that end at the same time are counted one by one."""
        body = (group(check_tasks.echo.s(number) for number in range(20)) | check_tasks.total.s())()
        result_backend.assert_chord_ran_once(body, timeout=LONG)
        assert body.get(timeout=LONG) == sum(range(20))

    @check("forget")
    def test_readers_of_what_is_being_forgotten_find_it_or_nothing(
        self, check_done: AsyncResult, result_app: Celery, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.forget: a result is there or is pending, and nothing between."""

        def read() -> Any:
            again = AsyncResult(check_done.id, app=result_app)
            found = again._get_task_meta()
            return found["status"], found["result"]

        *seen, _ = at_once([*[read] * 8, check_done.forget])
        assert set(seen) <= {(states.SUCCESS, 4), (states.PENDING, None)}
        assert records_of(result_backend, check_done) == []

    @check("groups")
    def test_groups_that_are_saved_at_once_are_all_found(
        self, check_done: AsyncResult, result_app: Celery, result_backend: ResultBackend
    ) -> None:
        """celery.result.GroupResult.save."""
        ids = [f"saved-{number}" for number in range(10)]
        at_once([GroupResult(each, [check_done], app=result_app).save for each in ids])
        found = sorted(each.task_id for each in result_backend.stored() if each.kind == "group")
        assert found == sorted(ids)
        assert [GroupResult.restore(each, app=result_app).results for each in ids] == [[check_done]] * 10
