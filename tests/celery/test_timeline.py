"""One line of time: what was stored, what the worker's signals said, and what a client read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from celery import Celery, chain, group, signals
from celery.backends.filesystem import FilesystemBackend
from celery.result import AsyncResult

from pytest_celery_backends import ResultBackend, ResultWorker, Timeline
from pytest_celery_backends.recorder import Recorder
from pytest_celery_backends.task_signals import TaskSignals

pytestmark = pytest.mark.celery(task_track_started=True)

SIX = ("redis", "postgres", "sqlite", "filesystem", "rpc-memory", "memory")


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


@pytest.mark.backends("filesystem")
def test_what_could_not_be_forgotten_is_an_event_too(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    (stored,) = result_backend.stored()
    (result_backend.client / stored.key).unlink()
    with pytest.raises(FileNotFoundError):
        result.forget()
    last = result_backend.timeline(result).events[-1]
    assert last.kind == "not forgotten"
    assert last.detail.startswith("FileNotFoundError(2, ")


@pytest.mark.backends("filesystem")
def test_an_error_that_cannot_be_shown_is_raised_all_the_same(
    add: Any, result_backend: ResultBackend, result_app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``BackendStoreError`` of Celery is, where the id of a task is a ``UUID``."""

    class Quarrelsome(Exception):
        def __repr__(self) -> str:
            raise TypeError("no text")

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise Quarrelsome

    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    for name in ("_store_result", "delete"):
        monkeypatch.setattr(FilesystemBackend, name, refuse)
    with pytest.raises(Quarrelsome):
        result_app.backend.store_result(result.id, 1, "SUCCESS")
    with pytest.raises(Quarrelsome):
        result.forget()
    timeline = result_backend.timeline(result)
    unshown = "<Quarrelsome, whose repr raises TypeError>"
    assert [one.error for one in timeline if one.error] == [unshown]
    assert [one.detail for one in timeline.events if one.kind == "not forgotten"] == [unshown]


@pytest.mark.backends("redis", "memory")
def test_the_tasks_of_a_chain_have_their_own(add: Any, result_backend: ResultBackend) -> None:
    last = chain(add.s(1, 1), add.s(2))()
    for result in (last, last.parent):
        result_backend.assert_transitions(result, "STARTED", "SUCCESS")
    assert kinds(result_backend.timeline(last), "celery-worker")[0] == "published"


@pytest.mark.backends("redis", "sqlite", "filesystem", "memory")
def test_each_read_is_an_event(add: Any, result_backend: ResultBackend, result_worker: ResultWorker) -> None:
    members = group(add.s(1, 1), add.s(2, 2))()
    result_worker.drain()

    def reads() -> list[tuple[str, str]]:
        events = result_backend.timeline(members[0]).events
        return [(event.state, event.detail) for event in events if event.kind == "read"]

    assert members.get(timeout=5) == [2, 4]
    assert reads() == [("SUCCESS", "")]
    fresh = AsyncResult(members[0].id, app=add.app)
    before = len(reads())
    for _ in range(2):
        assert fresh.state == "SUCCESS"
    assert fresh.get(timeout=5) == 2
    assert reads()[before:] == [("SUCCESS", ""), *[("SUCCESS", "known already")] * 2]


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
    timeline = result_backend.timeline(result)
    assert timeline.states[-1] == "SUCCESS"
    assert timeline.is_eager
    assert str(timeline).endswith(" (eager)")


@pytest.mark.backends("redis", "memory")
def test_an_eager_task_that_stores_something_is_said_to_be_eager(
    result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    @result_worker.task(name="report", bind=True)
    def report(self: Any) -> None:
        self.update_state(state="PROGRESS", meta={"done": 1})

    result = report.apply()
    timeline = result_backend.timeline(result)
    assert re.fullmatch(r"PROGRESS \(\S+ ms\) \(eager\)", str(timeline))
    assert (timeline.unstored, timeline.is_eager) == ("eager", True)
    assert not result_backend.timeline(report.delay()).is_eager


@pytest.mark.backends(*SIX)
def test_progress_is_what_it_was_when_it_was_stored(
    result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    @result_worker.task(name="grow", bind=True)
    def grow(self: Any) -> None:
        meta: dict[str, Any] = {"steps": []}
        for step in range(3):
            meta["steps"].append(step)
            self.update_state(state="PROGRESS", meta=meta)

    result = grow.delay()
    result_backend.wait_for(result, "SUCCESS")
    steps = [seen.value["steps"] for seen in result_backend.timeline(result) if seen.state == "PROGRESS"]
    assert steps == [[0], [0, 1], [0, 1, 2]]


# -- observing changes nothing


class Calls(list[str]):
    """What a backend's own methods were asked."""


@pytest.fixture
def calls(result_backend: ResultBackend, result_app: Celery, monkeypatch: pytest.MonkeyPatch) -> Calls:
    seen = Calls()
    kind = type(result_app.backend)
    result_backend._lease.recorder.unwatch()  # what is observed are the calls below it
    own = ("get", "set", "delete") if hasattr(kind, "get") else ("_store_result",)
    for name in (*own, "_get_task_meta_for", "_forget"):
        original = getattr(kind, name)

        def noted(self: Any, *args: Any, _name: str = name, _original: Any = original, **kwargs: Any) -> Any:
            seen.append(_name)
            return _original(self, *args, **kwargs)

        monkeypatch.setattr(kind, name, noted)
    result_backend._lease.recorder.watch(result_app.backend)
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
    lease.observing.end()
    scenario(add, result_worker)
    assert calls == observed
    assert calls


@pytest.mark.backends("redis", "memory")
def test_everything_is_put_back(add: Any, result_backend: ResultBackend, result_app: Celery) -> None:
    lease = result_backend._lease
    heard = [signals.before_task_publish, *(signal for signal, _ in lease.observing._signals._heard)]
    before = [len(signal.receivers) for signal in heard]
    assert all("_live_receivers" in vars(signal) for signal in heard)
    lease.observing.end()
    assert [len(signal.receivers) for signal in heard] == [number - 1 for number in before]
    assert not any("_live_receivers" in vars(signal) for signal in heard)
    lease.observing.begin()
    assert signals.task_received in heard


@pytest.mark.backends("memory")
def test_who_else_listens_is_told_as_well(
    add: Any, result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    told: list[str] = []

    def listener(task_id: str = "", **_: Any) -> None:
        told.append(task_id)

    signals.task_postrun.connect(listener)
    try:
        heard = add.delay(1, 1)
        result_worker.drain()
    finally:
        signals.task_postrun.disconnect(listener)
    unheard = add.delay(1, 1)
    result_worker.drain()
    assert told == [heard.id]
    for result in (heard, unheard):
        assert "finished SUCCESS" in kinds(result_backend.timeline(result))


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


@pytest.mark.backends("redis", "sqlite", "filesystem", "rpc-memory", "memory")
def test_an_id_that_was_never_sent(result_backend: ResultBackend) -> None:
    asked = {
        "timeline": (),
        "wait_for": ("SUCCESS",),
        "assert_transitions": (),
        "assert_never": ("FAILURE",),
        "assert_chord_ran_once": (),
    }
    for name, arguments in asked.items():
        limit = {} if name == "timeline" else {"timeout": 60}
        with pytest.raises(AssertionError) as caught:
            getattr(result_backend, name)("no-such-id", *arguments, **limit)
        lines = str(caught.value).splitlines()
        assert lines[0] == "no task 'no-such-id' was sent in this test, and nothing was stored for it"
        assert lines[-1] == "  takes: the result of a task that this test has sent: result = task.delay()"


@pytest.mark.backends("memory", "redis")
def test_a_group_is_no_task(add: Any, result_backend: ResultBackend, result_worker: ResultWorker) -> None:
    result = group(add.s(1, 1), add.s(2, 2))()
    result_worker.drain()
    for one in (result, result.id):
        with pytest.raises(AssertionError) as caught:
            result_backend.wait_for(one, "SUCCESS", timeout=60)
        assert str(caught.value) == (
            f"{result.id[:8]} is a group, and no task\n"
            "  takes: one of its results; for all of them: assert_group_complete(group_result)"
        )


@pytest.mark.backends("memory", "redis")
def test_a_result_of_another_backend(add: Any, result_backend: ResultBackend, result_app: Celery) -> None:
    result = add.delay(1, 1)
    other = FilesystemBackend(app=result_app, url="file:///tmp")
    for name in ("timeline", "assert_transitions"):
        with pytest.raises(AssertionError) as caught:
            getattr(result_backend, name)(AsyncResult(result.id, backend=other, app=result_app))
        lines = str(caught.value).splitlines()
        assert lines[:2] == [
            f"result {result.id[:8]} belongs to another backend",
            "  its backend: FilesystemBackend at file:///tmp",
        ]
        assert lines[2].startswith(f"  this test runs on: {type(result_app.backend).__name__} at ")


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


#: Three tests use each: of two processes one has two of them.
THREE = [1, 2, 3]
kept: list[ResultBackend] = []


@pytest.mark.backends("memory")
@pytest.mark.parametrize("number", THREE)
def test_a_handle_that_outlives_its_test(number: int, result_backend: ResultBackend) -> None:
    if kept:
        earlier = kept.pop()
        with pytest.raises(
            AssertionError, match="result_backend was used after its test\n  by then: the store"
        ):
            earlier.timeline("any")
        assert earlier.name == result_backend.name
    kept.append(result_backend)


workers: list[ResultWorker] = []


@pytest.mark.backends("memory")
@pytest.mark.parametrize("number", THREE)
def test_a_worker_that_outlives_its_test(number: int, result_worker: ResultWorker) -> None:
    if workers:
        earlier = workers.pop()
        for ask in (earlier.drain, lambda: earlier.hostname, lambda: earlier.logs, lambda: earlier.lost):
            with pytest.raises(
                AssertionError, match="result_worker was used after its test\n  by then: the store"
            ):
                ask()
        assert repr(earlier) == repr(result_worker)
    workers.append(result_worker)


@pytest.mark.backends("memory")
def test_a_receiver_that_a_test_puts_in_the_place_of_all_is_called(
    add: Any, result_worker: ResultWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []

    def note(sender: Any = None, **_: Any) -> None:
        ended.append(sender.name)

    monkeypatch.setattr(signals.task_success, "receivers", [])
    signals.task_success.connect(note, weak=False)
    add.delay(1, 1)
    result_worker.drain()
    assert ended == ["add"]
