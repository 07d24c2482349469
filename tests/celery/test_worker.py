"""The in-process worker does what a stock worker does, on both pools."""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from celery import _state, chain, chord, group, signals
from celery.exceptions import Ignore, NotRegistered, Reject, TaskRevokedError, WorkerLostError
from celery.utils.log import get_task_logger
from celery.worker import state as worker_state

from pytest_celery_backends import ResultBackend, ResultWorker, WaitTimeout
from pytest_celery_backends.polling import wait_until

pytestmark = pytest.mark.backends("memory", "rpc")


SOLO = pytest.param("solo", marks=pytest.mark.celery(worker_pool="solo"))
THREADS = pytest.param("threads", marks=pytest.mark.celery(worker_pool="threads"))


@pytest.fixture(params=[SOLO, THREADS], autouse=True)
def pool(request: pytest.FixtureRequest) -> str:
    """Every test here runs on both pools."""
    return str(request.param)


def test_runs_a_task(result_worker: ResultWorker, pool: str) -> None:
    @result_worker.task
    def where() -> str:
        return threading.current_thread().name

    name = where.delay().get(timeout=5)
    assert name.startswith("celery-task" if pool == "threads" else "celery-worker")


def test_a_request_names_its_worker(result_worker: ResultWorker) -> None:
    """As ``setup_worker_optimizations`` makes it: without that Celery names the machine alone."""

    @result_worker.task(bind=True)
    def host(self: Any) -> str:
        return str(self.request.hostname)

    assert host.delay().get(timeout=5) == result_worker.hostname
    assert "@" in result_worker.hostname


def test_started_is_seen(result_backend: ResultBackend, result_worker: ResultWorker) -> None:
    @result_worker.task(track_started=True)
    def one() -> int:
        return 1

    result_backend.assert_transitions(one.delay(), "STARTED", "SUCCESS")


def test_retries_with_countdown(
    result_backend: ResultBackend, result_worker: ResultWorker, pool: str
) -> None:
    @result_worker.task(bind=True)
    def flaky(self: Any) -> str:
        if self.request.retries < 2:
            raise self.retry(countdown=0.2)
        return "done"

    result = flaky.delay()
    result_worker.drain()
    assert result.get(timeout=5) == "done"
    seen = result_backend.timeline(result).states
    # Celery sends the retry before it stores RETRY: a thread that is held up for the countdown stores it last
    assert (sorted(seen) if pool == "threads" else list(seen)) == ["RETRY", "RETRY", "SUCCESS"]


def test_autoretry(result_backend: ResultBackend, result_worker: ResultWorker) -> None:
    @result_worker.task(autoretry_for=(OSError,), retry_backoff=False, default_retry_delay=0, max_retries=1)
    def fails() -> None:
        raise OSError("down")

    result = fails.delay()
    result_worker.drain()
    # Celery sends the retry before it stores RETRY: with more than one thread either may be first
    assert sorted(result_backend.timeline(result).states) == ["FAILURE", "RETRY"]


def test_countdown_and_eta_are_kept(result_worker: ResultWorker) -> None:
    @result_worker.task
    def now() -> float:
        return time.time()

    asked = time.time()
    eta = datetime.now(timezone.utc) + timedelta(seconds=0.1)
    for result in (now.apply_async(countdown=0.1), now.apply_async(eta=eta)):
        assert result.get(timeout=5) - asked >= 0.09


def test_an_expired_task_is_revoked(result_backend: ResultBackend, result_worker: ResultWorker) -> None:
    @result_worker.task
    def one() -> int:
        return 1

    result = one.apply_async(expires=datetime.now(timezone.utc) - timedelta(seconds=1))
    with pytest.raises(TaskRevokedError):
        result.get(timeout=5)
    result_backend.assert_transitions(result, "REVOKED")


def test_revoke_of_a_scheduled_task(result_worker: ResultWorker) -> None:
    @result_worker.task
    def one() -> int:
        return 1

    result = one.apply_async(countdown=0.3)
    result.revoke()
    with pytest.raises(TaskRevokedError):
        result.get(timeout=5)


def test_control_commands_are_answered(result_app: Any, result_worker: ResultWorker) -> None:
    (answer,) = result_app.control.inspect(timeout=0.3).ping().items()
    assert answer == (result_worker.hostname, {"ok": "pong"})


@pytest.mark.backend_requires("chords")
def test_chain_group_and_chord(result_worker: ResultWorker) -> None:
    @result_worker.task
    def double(n: int) -> int:
        return 2 * n

    @result_worker.task
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    assert chain(double.s(1), double.s(), double.s())().get(timeout=5) == 8
    assert group(double.s(n) for n in range(3))().get(timeout=5) == [0, 2, 4]
    assert chord((double.s(n) for n in range(5)), total.s())().get(timeout=5) == 20


def test_link_and_link_error_run(result_worker: ResultWorker) -> None:
    calls: list[Any] = []

    @result_worker.task
    def one() -> int:
        return 1

    @result_worker.task
    def fails() -> None:
        raise ValueError("boom")

    @result_worker.task
    def note(*args: Any) -> None:
        calls.append(args[-1])

    one.apply_async(link=note.s()).get(timeout=5)
    fails.apply_async(link_error=note.si("errback")).get(timeout=5, propagate=False)
    result_worker.drain()
    assert calls == [1, "errback"]


def test_all_signals_are_sent(result_worker: ResultWorker) -> None:
    seen: list[str] = []
    watched = (
        "before_task_publish",
        "after_task_publish",
        "task_received",
        "task_prerun",
        "task_success",
        "task_postrun",
    )

    def receiver_for(name: str) -> Any:
        return lambda **_: seen.append(name)

    receivers = {name: receiver_for(name) for name in watched}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)

    @result_worker.task
    def one() -> int:
        return 1

    one.delay().get(timeout=5)
    result_worker.drain()
    for name, receiver in receivers.items():
        getattr(signals, name).disconnect(receiver)
    assert sorted(seen) == sorted(watched)


def test_acks_late_redelivers_what_was_rejected(result_worker: ResultWorker) -> None:
    tries: list[bool] = []

    @result_worker.task(bind=True, acks_late=True)
    def picky(self: Any) -> str:
        tries.append(bool(self.request.delivery_info.get("redelivered")))
        if len(tries) < 3:
            raise Reject("again", requeue=True)
        return "taken"

    assert picky.delay().get(timeout=5) == "taken"
    assert tries == [False, True, True]


def test_ignored_results_are_not_stored(result_backend: ResultBackend, result_worker: ResultWorker) -> None:
    @result_worker.task(ignore_result=True)
    def quiet() -> int:
        return 1

    @result_worker.task
    def ignores() -> None:
        raise Ignore

    results = [quiet.delay(), ignores.delay()]
    result_worker.drain()
    assert [result_backend.timeline(result).states for result in results] == [[], []]
    result_backend.assert_no_leftovers()


def test_tasks_routed_to_other_queues_are_consumed(result_worker: ResultWorker) -> None:
    @result_worker.task
    def one() -> int:
        return 1

    assert one.apply_async(queue="elsewhere").get(timeout=5) == 1


@pytest.mark.celery(task_routes={"routed.*": {"queue": "priority"}})
def test_task_routes_are_followed(result_worker: ResultWorker) -> None:
    @result_worker.task(name="routed.task", bind=True)
    def routed(self: Any) -> str:
        return str(self.request.delivery_info["routing_key"])

    assert routed.delay().get(timeout=5) == "priority"


def test_a_message_that_is_no_task_yet_is_work(result_worker: ResultWorker) -> None:
    """It has left its queue, and the strategy has not handed it to the pool."""
    worker = result_worker._lease.worker
    assert worker is not None
    taken, goes_on, seen = threading.Event(), threading.Event(), []

    def receives(**_: Any) -> None:
        taken.set()
        assert goes_on.wait(5)

    @result_worker.task
    def stays() -> None:
        assert asked.wait(5)

    asked = threading.Event()
    asking = threading.Thread(target=lambda: seen.append(worker.has_work))
    signals.task_received.connect(receives, weak=False)
    try:
        stays.delay()
        assert taken.wait(5)
        asking.start()
        # it waits for the thread that has the message
        assert wait_until(lambda: bool(worker.consumer._pending_operations), 5)
        goes_on.set()
        asking.join(5)
        assert seen == [True]
    finally:
        signals.task_received.disconnect(receives)
        goes_on.set()
        asked.set()
    result_worker.drain()


def test_an_unknown_task_is_reported_as_celery_does(result_app: Any) -> None:
    result = result_app.send_task("nobody.knows")
    with pytest.raises(NotRegistered):
        result.get(timeout=5)


def test_get_inside_a_task_is_refused_as_in_production(result_worker: ResultWorker) -> None:
    @result_worker.task
    def inner() -> int:
        return 1

    @result_worker.task
    def outer() -> Any:
        return inner.delay().get(timeout=1)

    with pytest.raises(RuntimeError, match=r"Never call result\.get"):
        outer.delay().get(timeout=5)
    result_worker.drain()


def test_rate_limits_are_kept(result_worker: ResultWorker) -> None:
    @result_worker.task(rate_limit="20/s")
    def now() -> float:
        return time.monotonic()

    times = [result.get(timeout=5) for result in [now.delay() for _ in range(3)]]
    # Celery's bucket holds one token at first, and rounds what it waits for.
    assert max(times) - min(times) >= 0.06


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_what_ends_a_process_fails_the_task_and_not_the_worker(
    result_worker: ResultWorker, raised: BaseException
) -> None:
    @result_worker.task
    def leaves() -> None:
        raise raised

    @result_worker.task
    def one() -> int:
        return 1

    with pytest.raises(WorkerLostError):
        leaves.delay().get(timeout=5)
    assert one.delay().get(timeout=5) == 1
    assert [lost.raised for lost in result_worker.lost] == [repr(raised)]
    result_worker.lost.clear()


def test_drain_waits_for_countdowns_and_retries(result_worker: ResultWorker) -> None:
    done: list[int] = []

    @result_worker.task(bind=True)
    def later(self: Any) -> None:
        if self.request.retries == 0:
            raise self.retry(countdown=0.05)
        done.append(1)

    later.apply_async(countdown=0.05)
    result_worker.drain()
    assert done == [1]


def test_drain_says_what_it_waited_for(result_worker: ResultWorker) -> None:
    release = threading.Event()

    @result_worker.task(name="holds")
    def holds() -> None:
        release.wait(5)

    result = holds.delay()
    with pytest.raises(WaitTimeout) as caught:
        result_worker.drain(timeout=0.1)
    release.set()
    result.get(timeout=5)
    # up to Celery 5.6 a solo worker acknowledges only when the task has ended: one more line says so
    first, running, *_, observed, remedy = str(caught.value).splitlines()
    assert observed == f"  observed: {result.id}: nothing was stored"
    assert first == "the worker was not idle within 0.1 s"
    assert running.startswith(f"  running: holds[{result.id}] for 0.")
    assert remedy == "  type: result_worker.drain(timeout=0.2)"
    assert "release.wait(5)" in caught.value.log


def test_a_task_that_has_to_wait_is_received_before_its_time(
    result_worker: ResultWorker, result_backend: ResultBackend
) -> None:
    @result_worker.task
    def later() -> None: ...

    result = later.apply_async(countdown=300)
    result_worker.wait_until_received(result)
    assert [event.kind for event in result_backend.timeline(result).events] == ["published", "received"]


@pytest.mark.celery(worker_prefetch_multiplier=1, worker_concurrency=1)
def test_a_task_behind_one_that_runs_is_not_received(result_worker: ResultWorker) -> None:
    release = threading.Event()

    @result_worker.task(name="holds", acks_late=True)
    def holds() -> None:
        release.wait(5)

    result_worker.wait_until_received(holds.delay())
    result = holds.delay()
    with pytest.raises(WaitTimeout) as caught:
        result_worker.wait_until_received(result, timeout=0.05)
    release.set()
    result_worker.drain()
    first, *_, observed, remedy = str(caught.value).splitlines()
    assert first == f"the worker had not received task {result.id[:8]} within 0.05 s"
    assert observed == "  observed: nothing was stored"
    assert remedy == "  type: result_worker.wait_until_received(result, timeout=0.1)"


def test_a_task_that_was_never_sent_is_not_waited_for(result_worker: ResultWorker) -> None:
    result_worker.drain()
    with pytest.raises(AssertionError, match="no task 'never-sent' was sent in this test"):
        result_worker.wait_until_received("never-sent")


def test_a_push_wakes_the_worker_at_once(result_worker: ResultWorker) -> None:
    @result_worker.task
    def one() -> int:
        return 1

    one.delay().get(timeout=5)
    started = time.perf_counter()
    for _ in range(20):
        one.delay().get(timeout=5)
    # Celery's own worker in a thread needs a second for each of these
    assert time.perf_counter() - started < 5


def test_celerys_log_is_kept_without_changing_anybodys_logging(
    result_worker: ResultWorker, caplog: pytest.LogCaptureFixture
) -> None:
    @result_worker.task(name="logged")
    def logged() -> int:
        return 1

    logged.delay().get(timeout=5)
    result_worker.drain()
    assert "Task logged[" in result_worker.logs
    assert caplog.records == []


def test_what_cannot_be_formatted_ends_no_task_that_logs_it(
    result_worker: ResultWorker, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in production, where ``logging`` says so on standard error and goes on."""

    @result_worker.task
    def logs() -> int:
        logger = get_task_logger("shop")
        logger.info("%d in stock", "few")
        logger.info("counted %d", 3)
        return 3

    assert logs.delay().get(timeout=5) == 3
    assert "counted 3" in result_worker.logs
    assert "a real number is required, not str" in capsys.readouterr().err


def test_the_applications_own_log_records_come_through(
    result_worker: ResultWorker, caplog: pytest.LogCaptureFixture
) -> None:
    @result_worker.task
    def warns() -> None:
        logging.getLogger("shop").warning("low stock")

    warns.delay().get(timeout=5)
    assert [record.getMessage() for record in caplog.records] == ["low stock"]


def test_process_flags_look_fresh_to_each_test(result_worker: ResultWorker) -> None:
    assert worker_state.should_stop is None
    assert worker_state.should_terminate is None
    assert len(worker_state.revoked) == 0
    assert not _state.task_join_will_block()


def test_a_test_may_set_the_level_of_celerys_logger(
    result_worker: ResultWorker, caplog: pytest.LogCaptureFixture
) -> None:
    @result_worker.task
    def one() -> int:
        return 1

    with caplog.at_level(logging.INFO, logger="celery"):
        one.delay().get(timeout=5)
        result_worker.drain()
    assert any("succeeded" in record.getMessage() for record in caplog.records)
