"""How a result is waited for: as long as asked, by as many as like, and not longer than it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from threading import Event, Timer
from typing import Any

import pytest
from celery import Celery, states
from celery.exceptions import TimeoutError as GaveUp
from celery.result import AsyncResult

from .. import ResultBackend, ResultWorker, check, except_on, no
from .concurrency import at_once
from .families import POLLED, RPC
from .limits import ANSWER, LIMIT, SHORT
from .metadata import TO_THE_WORKER
from .stored import comes_to, kept_states, last_state_of, records_of, until_stored
from .tasks import CheckTasks

MANY = 8


class TestWaits:
    """celery.result.AsyncResult.get: https://docs.celeryq.dev/en/stable/reference/celery.result.html."""

    @check("core")
    def test_get_waits_until_the_task_has_ended(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """ "Wait until task is ready, and return its result"."""
        gate = Event()
        result = check_tasks.holding(gate)
        Timer(SHORT, gate.set).start()
        comes_to(result_backend, result, "held")

    @check("core")
    def test_get_gives_what_is_there(self, check_done: AsyncResult, result_backend: ResultBackend) -> None:
        """ "Wait until task is ready", which it is."""
        assert last_state_of(result_backend, check_done) == states.SUCCESS
        assert check_done.get(timeout=LIMIT) == 4

    @check("core")
    def test_get_gives_up_in_time(self, check_waiting: AsyncResult, result_backend: ResultBackend) -> None:
        """ "TimeoutError: if timeout is not None and the result does not arrive within timeout seconds"."""
        began = time.monotonic()
        with pytest.raises(GaveUp):
            check_waiting.get(timeout=SHORT)
        assert SHORT <= time.monotonic() - began < LIMIT
        assert records_of(result_backend, check_waiting) == []

    @check("core")
    def test_get_of_an_id_that_nobody_sent_gives_up_as_well(
        self, check_unknown: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, PENDING: what is not known is waited for."""
        with pytest.raises(GaveUp):
            check_unknown.get(timeout=SHORT)
        assert records_of(result_backend, check_unknown) == []

    @check("core")
    def test_who_gave_up_may_wait_again(self, check_tasks: CheckTasks, result_backend: ResultBackend) -> None:
        """ "TimeoutError": the task goes on, and its result comes."""
        gate = Event()
        result = check_tasks.holding(gate)
        try:
            with pytest.raises(GaveUp):
                result.get(timeout=SHORT)
        finally:
            gate.set()
        comes_to(result_backend, result, "held")

    @check("core")
    def test_a_state_that_is_not_final_ends_no_wait(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """ "Wait until task is ready": STARTED, RETRY and states of one's own are not."""
        result = check_tasks.leave.delay("PROGRESS", {"done": 1})
        until_stored(result_backend, result, "PROGRESS")
        with pytest.raises(GaveUp):
            result.get(timeout=SHORT)
        assert not result.ready()

    @check("core")
    def test_get_calls_back_with_id_and_value(
        self, check_done: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.get, callback."""
        assert last_state_of(result_backend, check_done) == states.SUCCESS
        calls: list[Any] = []
        check_done.get(timeout=LIMIT, callback=lambda *told: calls.append(told))
        assert calls == [(check_done.id, 4)]

    @except_on(*POLLED, verdict=no("nobody tells Celery of a state there: it asks whether a task has ended"))
    @check("core")
    @pytest.mark.celery(task_track_started=True)
    def test_get_tells_each_state_as_it_comes(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, Custom states; celery.result.AsyncResult.get, on_message."""
        seen: list[Any] = []
        gate = Event()
        check_tasks.holding(gate)
        result = check_tasks.progress.delay(2)
        # the worker comes to it once get() listens
        result.get(timeout=LIMIT, interval=0.05, on_message=seen.append, on_interval=gate.set)
        told = [
            each["status"] for each in seen if each["task_id"] == result.id and each["status"] != "PENDING"
        ]
        assert told == [states.STARTED, "PROGRESS", "PROGRESS", states.SUCCESS]
        result_backend.assert_transitions(result, *told, timeout=LIMIT)

    @check("core")
    def test_many_results_are_waited_for_in_any_order(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """celery.result.AsyncResult.get: each waits for its own."""
        results = [check_tasks.double.delay(number) for number in range(MANY)]
        until_stored(result_backend, results[-1], states.SUCCESS)
        assert [each.get(timeout=LIMIT) for each in reversed(results)] == [
            2 * n for n in reversed(range(MANY))
        ]

    @except_on(*RPC, verdict=no("a result comes to the thread that sent its task"))
    @check("core")
    def test_many_threads_wait_for_one_result(
        self, check_tasks: CheckTasks, result_app: Celery, result_backend: ResultBackend
    ) -> None:
        """userguide/application: an app is safe to use in threads, each of which has a backend of its own."""
        gate = Event()
        result = check_tasks.holding(gate)

        def wait() -> Any:
            return AsyncResult(result.id, app=result_app).get(timeout=LIMIT)

        Timer(SHORT, gate.set).start()
        assert at_once([wait] * MANY) == ["held"] * MANY
        assert last_state_of(result_backend, result) == states.SUCCESS

    @check("core")
    def test_each_thread_gets_the_result_of_its_own_task(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/application: an app is safe to use in threads."""
        double = check_tasks.double
        results: list[AsyncResult] = []

        def send(number: int) -> Any:
            result = double.delay(number)
            results.append(result)
            return result.get(timeout=LIMIT)

        calls: list[Callable[[], Any]] = [partial(send, number) for number in range(MANY)]
        assert at_once(calls) == [2 * number for number in range(MANY)]
        assert kept_states(result_backend, results) == [states.SUCCESS] * MANY

    @except_on(*RPC, verdict=no("a result comes to the thread that sent its task"))
    @check("core")
    def test_a_result_is_read_in_another_thread_than_it_was_sent_in(
        self, check_done: AsyncResult, result_app: Celery, result_backend: ResultBackend
    ) -> None:
        """userguide/application: an app is safe to use in threads."""
        assert last_state_of(result_backend, check_done) == states.SUCCESS
        assert at_once([lambda: AsyncResult(check_done.id, app=result_app).get(timeout=ANSWER)]) == [4]

    @check("core")
    def test_one_that_gives_up_does_not_end_the_wait_of_another(
        self, check_tasks: CheckTasks, check_waiting: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """ "TimeoutError", of the result that did not arrive."""
        gate = Event()
        result = check_tasks.holding(gate)
        with pytest.raises(GaveUp):
            check_waiting.get(timeout=SHORT)
        gate.set()
        comes_to(result_backend, result, "held")

    @check("core")
    def test_get_is_refused_within_a_task(
        self,
        check_done: AsyncResult,
        result_worker: ResultWorker,
        result_app: Celery,
        result_backend: ResultBackend,
    ) -> None:
        """userguide/tasks, Avoid launching synchronous subtasks: "Never call result.get() within a task!"."""
        task_id = check_done.id

        @result_worker.task
        def fetch() -> Any:
            return AsyncResult(task_id, app=result_app).get(timeout=LIMIT)

        result = fetch.delay()
        until_stored(result_backend, result, states.FAILURE)
        with pytest.raises(RuntimeError, match="Never call result.get"):
            result.get(timeout=LIMIT)

    @except_on(*RPC, verdict=TO_THE_WORKER)
    @check("core")
    def test_get_within_a_task_where_that_is_allowed(
        self,
        check_done: AsyncResult,
        result_worker: ResultWorker,
        result_app: Celery,
        result_backend: ResultBackend,
    ) -> None:
        """celery.result.AsyncResult.get, disable_sync_subtasks: "do not enable this unless you must"."""
        task_id = check_done.id

        def fetch() -> Any:
            return AsyncResult(task_id, app=result_app).get(timeout=SHORT, disable_sync_subtasks=False)

        result = result_worker.task(fetch, name="conformance.fetch").delay()
        result_worker.drain()
        assert last_state_of(result_backend, result) == states.SUCCESS
        assert result.get(timeout=LIMIT) == 4
