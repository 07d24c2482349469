"""One line of time: what was stored, what the worker's signals said, and what a client read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from celery import Celery, chain, signals

from pytest_celery_backends import ResultBackend, ResultWorker, Timeline, WaitTimeout
from pytest_celery_backends.recorder import Recorder
from pytest_celery_backends.task_signals import TaskSignals

pytestmark = pytest.mark.celery(task_track_started=True)

SIX = ("redis", "postgres", "sqlite", "filesystem", "rpc-memory", "memory")


@pytest.fixture
def add(result_worker: ResultWorker) -> Any:
    @result_worker.task(name="add")
    def add(x: int, y: int) -> int:
        return x + y

    return add


def kinds(timeline: Timeline, thread: str = "") -> list[str]:
    """What happened, with the state where there is one."""
    return [
        f"{event.kind} {event.state}".strip() for event in timeline.events if event.thread.startswith(thread)
    ]


@pytest.mark.backends(*SIX)
def test_all_that_happens_to_a_task_is_on_one_line(
    add: Any, result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    result_worker.drain()
    assert result.get(timeout=5) == 2
    timeline = result_backend.timeline(result)
    assert kinds(timeline, "celery-worker") == [
        *("received", "started", "stored STARTED", "stored SUCCESS", "succeeded", "finished SUCCESS"),
    ]
    assert kinds(timeline, "MainThread")[0] == "published"
    assert "read SUCCESS" in kinds(timeline, "MainThread")
    assert [event.at for event in timeline.events] == sorted(event.at for event in timeline.events)


@pytest.mark.backends(*SIX)
def test_a_failure_and_its_retries_are_events(
    result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    @result_worker.task(name="fail", bind=True, max_retries=1)
    def fail(self: Any) -> None:
        try:
            raise ValueError("no")
        except ValueError as error:
            raise self.retry(countdown=0, exc=error) from error

    result = fail.delay()
    result_backend.wait_for(result, "FAILURE")
    result_worker.drain()
    timeline = result_backend.timeline(result)
    once = ["received", "started", "stored STARTED"]
    again = ["stored RETRY", "retried", "finished RETRY"]
    assert [each for each in kinds(timeline, "celery-worker") if each != "published"] == [
        *once,
        *again,
        *once,
        "stored FAILURE",
        "failed",
        "finished FAILURE",
    ]
    assert [each.detail for each in timeline.events if each.kind == "failed"] == ["ValueError('no')"]


@pytest.mark.backends("redis", "sqlite", "memory")
def test_pending_is_told_as_what_it_is(add: Any, result_backend: ResultBackend, result_app: Celery) -> None:
    result = result_app.AsyncResult("never-sent")
    assert result.state == "PENDING"
    (read,) = result_backend.timeline(result).events
    assert (read.kind, read.state, read.detail) == ("read", "PENDING", "unknown to the backend")
    result_app.backend.store_result("stored", None, "PENDING")
    assert result_app.AsyncResult("stored").state == "PENDING"
    assert [event.detail for event in result_backend.timeline("stored").events] == ["", ""]


@pytest.mark.backends("redis", "memory")
def test_a_revoked_task_says_why(
    add: Any, result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    result = add.apply_async((1, 1), expires=-1)
    result_backend.assert_revoked(result)
    result_worker.drain()  # the signal follows the store
    revoked = [event for event in result_backend.timeline(result).events if event.kind == "revoked"]
    assert [event.detail for event in revoked] == ["expired"]


@pytest.mark.backends("redis", "memory")
def test_forgetting_is_an_event(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    result.forget()
    assert kinds(result_backend.timeline(result), "MainThread")[-1] == "forgotten"


@pytest.mark.backends("redis", "memory")
def test_the_tasks_of_a_chain_have_their_own(add: Any, result_backend: ResultBackend) -> None:
    last = chain(add.s(1, 1), add.s(2))()
    for result in (last, last.parent):
        result_backend.assert_transitions(result, "STARTED", "SUCCESS")
    assert kinds(result_backend.timeline(last), "celery-worker")[0] == "published"


# -- what is not stored


@pytest.mark.backends("redis", "memory")
def test_a_result_that_is_ignored(result_backend: ResultBackend, result_worker: ResultWorker) -> None:
    @result_worker.task(name="quiet", ignore_result=True)
    def quiet() -> int:
        return 1

    result = quiet.delay()
    with pytest.raises(AssertionError) as caught:
        result_backend.wait_for(result, "SUCCESS", timeout=60)
    assert str(caught.value).splitlines()[1] == "  observed: nothing was stored: its result is ignored"
    with pytest.raises(AssertionError, match="left no result\n  observed: .* its result is ignored"):
        result_backend.assert_never(result, "FAILURE", timeout=60)


@pytest.mark.backends("redis", "memory")
def test_an_eager_task_is_said_to_be_eager(add: Any, result_backend: ResultBackend) -> None:
    result = add.apply((1, 1))
    assert result.get() == 2
    timeline = result_backend.timeline(result)
    assert str(timeline) == "nothing was stored: eager"
    assert kinds(timeline) == ["started", "succeeded", "finished SUCCESS"]


@pytest.mark.backends("redis", "memory")
@pytest.mark.celery(task_store_eager_result=True)
def test_an_eager_task_whose_result_is_stored(add: Any, result_backend: ResultBackend) -> None:
    result = add.apply((1, 1))
    assert result_backend.timeline(result).states[-1] == "SUCCESS"


# -- observing changes nothing


class Calls(list[str]):
    """What a backend's own methods were asked."""


@pytest.fixture
def calls(result_app: Celery, monkeypatch: pytest.MonkeyPatch) -> Calls:
    seen = Calls()
    kind = type(result_app.backend)
    for name in ("get", "set", "delete", "_store_result", "_get_task_meta_for", "_forget"):
        original = getattr(kind, name, None)
        if original is None:
            continue

        def noted(self: Any, *args: Any, _name: str = name, _original: Any = original, **kwargs: Any) -> Any:
            seen.append(_name)
            return _original(self, *args, **kwargs)

        monkeypatch.setattr(kind, name, noted)
    return seen


def scenario(add: Any, worker: ResultWorker) -> None:
    result = add.delay(1, 1)
    worker.drain()
    assert result.state == "SUCCESS"
    assert result.get(timeout=5) == 2
    result.forget()


@pytest.mark.backends("redis", "postgres", "sqlite", "filesystem", "memory")
def test_the_backend_gets_the_same_calls_with_and_without(
    add: Any, result_backend: ResultBackend, result_worker: ResultWorker, calls: Calls
) -> None:
    scenario(add, result_worker)
    observed = list(calls)
    calls.clear()
    lease = result_backend._lease
    lease.recorder.unwatch()
    lease._signals.disconnect()
    scenario(add, result_worker)
    assert calls == observed
    assert calls


@pytest.mark.backends("redis", "memory")
def test_everything_is_put_back(add: Any, result_backend: ResultBackend, result_app: Celery) -> None:
    lease = result_backend._lease
    heard = [signal for signal, _ in lease._signals._heard]
    before = [len(signal.receivers) for signal in heard]
    lease._signals.disconnect()
    assert [len(signal.receivers) for signal in heard] == [number - 1 for number in before]
    lease._signals.connect()
    assert signals.task_received in heard


def test_signals_of_other_apps_are_not_ours() -> None:
    ours, theirs = Celery("ours", set_as_current=False), Celery("theirs", set_as_current=False)
    recorder = Recorder(ours)
    listening = TaskSignals(ours, recorder.note)
    listening.connect()

    def one() -> int:
        return 1

    try:
        for app in (ours, theirs):
            app.task(one, name="one", shared=False).apply(task_id=app.main)
    finally:
        listening.disconnect()
    assert kinds(recorder.timeline("ours")) == ["started", "succeeded", "finished SUCCESS"]
    assert kinds(recorder.timeline("theirs")) == []


# -- bad input


@pytest.mark.backends("memory")
def test_a_result_of_another_app(result_backend: ResultBackend) -> None:
    other = Celery("other", set_as_current=False)
    with pytest.raises(AssertionError) as caught:
        result_backend.timeline(other.AsyncResult("4f1c2f7e-6a1e"))
    text = re.sub(r"<Celery (\S+) at 0x\w+>", r"<Celery \1>", str(caught.value))
    assert text.splitlines()[:2] == ["result 4f1c2f7e belongs to another app", "  its app: <Celery other>"]


@pytest.mark.backends("memory")
def test_an_id_that_was_never_sent(result_backend: ResultBackend) -> None:
    with pytest.raises(WaitTimeout) as caught:
        result_backend.wait_for("no-such-id", "SUCCESS", timeout=0.05)
    assert "  observed: nothing was stored, and no such task was sent in this test\n" in str(caught.value)


@pytest.mark.filterwarnings("ignore:Exception raised outside body:RuntimeWarning")
@pytest.mark.backends("memory-refuses")
def test_a_state_that_could_not_be_stored(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.wait_for(result, "SUCCESS")
    text = (
        str(caught.value).replace(str(result_backend._subject), "<backend>").replace(result.id[:8], "<task>")
    )
    assert text.splitlines()[0] == (
        "task <task> on <backend> was SUCCESS, which could not be stored: OSError('disk full')"
    )


kept: list[ResultBackend] = []


@pytest.mark.backends("memory", "redis")
@pytest.mark.parametrize("number", [1, 2])
def test_a_handle_that_outlives_its_test(number: int, result_backend: ResultBackend) -> None:
    if number == 2:
        earlier = kept.pop()
        with pytest.raises(
            AssertionError, match="result_backend was used after its test\n  by then: the store"
        ):
            earlier.timeline("any")
        assert earlier.name == result_backend.name
    kept.append(result_backend)
