"""What a task went through: patterns, retries, progress, failures, groups; each assertion holds, and can fail."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from celery import Celery, chord, group
from celery.exceptions import BackendStoreError, Ignore
from messages import said

from pytest_celery_backends import ResultBackend, ResultWorker, WaitTimeout, times

pytestmark = [
    pytest.mark.celery(task_track_started=True),
    pytest.mark.filterwarnings("ignore:Exception raised outside body:RuntimeWarning"),
]

SIX = ("redis", "postgres", "sqlite", "filesystem", "rpc-memory", "memory")


class OutOfStock(Exception):
    """The user's own error."""


@pytest.fixture
def busy(result_worker: ResultWorker) -> Any:
    """A task that reports progress, twice is retried, and then succeeds."""

    @result_worker.task(name="busy", bind=True, max_retries=5)
    def busy(self: Any, steps: int = 2) -> int:
        for step in range(steps):
            self.update_state(state="PROGRESS", meta={"done": step})
        if self.request.retries < 2:
            raise self.retry(countdown=0)
        return steps

    return busy


@pytest.fixture
def sell(result_worker: ResultWorker) -> Any:
    @result_worker.task(name="sell")
    def sell(count: int) -> None:
        raise OutOfStock("none left", count)

    return sell


@pytest.fixture
def total(result_worker: ResultWorker) -> Any:
    @result_worker.task(name="total")
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    return total


# -- patterns


@pytest.mark.backends(*SIX)
def test_patterns_fit(busy: Any, result_backend: ResultBackend) -> None:
    result = busy.delay(1)
    once = ("STARTED", "PROGRESS", "RETRY")
    result_backend.assert_transitions(result, *once, *once, "STARTED", "PROGRESS", "SUCCESS")
    result_backend.assert_transitions(result, "STARTED", ..., "SUCCESS")
    result_backend.assert_transitions(result, ..., "RETRY", ..., "RETRY", "STARTED", ...)
    assert result_backend.timeline(result) == [..., times("RETRY", 1), ..., times("SUCCESS", 1, 3)]
    assert result_backend.timeline(result) != ["SUCCESS"]


@pytest.mark.backends("memory")
@pytest.mark.parametrize(
    ("pattern", "difference"),
    [
        (("STARTED", times("PROGRESS", 3), ...), "RETRY came instead of PROGRESS"),
        (("STARTED", times("PROGRESS", 0, 1), "RETRY", ...), "PROGRESS came instead of RETRY"),
        (("STARTED", ..., "REVOKED"), "REVOKED never came"),
        ((..., "RETRY", "SUCCESS"), "nothing came instead of RETRY"),
    ],
)
def test_where_a_pattern_parts(
    busy: Any, result_backend: ResultBackend, pattern: tuple[Any, ...], difference: str
) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_transitions(busy.delay(2), *pattern)
    assert str(caught.value).splitlines()[-1] == f"  first difference: {difference}"


@pytest.mark.backends("memory")
def test_a_pattern_is_shown_as_it_is_written(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_transitions(result, "STARTED", ..., times("RETRY", 2, 5), "SUCCESS")
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> did not go through the expected states\n"
        "  expected: STARTED -> ... -> RETRY x 2-5 -> SUCCESS\n"
        "  observed: STARTED (_ ms) -> SUCCESS (_ ms)\n"
        "  first difference: RETRY never came"
    )


@pytest.mark.backends("memory")
def test_a_plain_assert_explains_itself(add: Any, result_backend: ResultBackend) -> None:
    timeline = result_backend.timeline(result := add.delay(1, 1))
    result_backend.wait_for(result, "SUCCESS")
    timeline = result_backend.timeline(result)
    with pytest.raises(AssertionError) as caught:
        assert timeline == ["STARTED", "RETRY", ...]
    assert said(caught, result_backend, result) == (
        "assert timeline of <task> == [STARTED -> RETRY -> ...]\n"
        "  expected: STARTED -> RETRY -> ...\n"
        "  observed: STARTED (_ ms) -> SUCCESS (_ ms)\n"
        "  first difference: RETRY never came"
    )


@pytest.mark.backends("memory")
def test_a_plain_assert_knows_what_was_meant(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    with pytest.raises(AssertionError) as caught:
        assert result_backend.timeline(result) == ["STARTED", "SUCESS"]
    assert str(caught.value).splitlines()[-1].strip() == "no task stored 'SUCESS': did you mean 'SUCCESS'?"


@pytest.mark.backends("memory")
@pytest.mark.parametrize(
    ("written", "state"),
    [
        *(("success", "SUCCESS"), ("SUCESS", "SUCCESS"), ("DONE", "SUCCESS"), ("Failure", "FAILURE")),
        *(("FAILED", "FAILURE"), ("FAIL", "FAILURE"), ("FAILD", "FAILURE"), ("ERROR", "FAILURE")),
        *(("revoked", "REVOKED"), ("CANCELED", "REVOKED"), ("EXPIRED", "REVOKED")),
    ],
)
def test_states_in_other_words(add: Any, result_backend: ResultBackend, written: str, state: str) -> None:
    result = add.delay(1, 1)
    hint = f"no task stored {written!r}: did you mean {state!r}?"
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_never(result, written)
    own = f"assert {written!r} not in result_backend.timeline(result).states"
    assert str(caught.value).splitlines() == [hint, f"  if it is a state of your own: {own}"]
    for ask in (result_backend.assert_transitions, result_backend.wait_for):
        with pytest.raises(AssertionError) as caught:
            ask(result, written)
        assert str(caught.value).splitlines()[-1] == f"  looks wrong: {hint}"


@pytest.mark.backends("memory", "redis")
def test_states_of_the_users_own_are_never_taken_for_others(
    result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    go_on = threading.Event()

    @result_worker.task(name="climb", bind=True)
    def climb(self: Any) -> None:
        self.update_state(state="STEP_1", meta={})
        assert go_on.wait(10)
        self.update_state(state="STEP_2", meta={})
        self.update_state(state="RESTARTED", meta={})

    result = climb.delay()
    result_backend.wait_for(result, "STEP_1")
    with pytest.raises(WaitTimeout) as caught:
        result_backend.wait_for(result, "RESTARTED", timeout=0.01)
    assert "  no task stored 'RESTARTED': did you mean 'STARTED'?" in str(caught.value).splitlines()
    waker = threading.Timer(0.05, go_on.set)
    waker.start()
    result_backend.wait_for(result, "STEP_2")
    result_backend.wait_for(result, "RESTARTED")
    result_backend.assert_transitions(result, "STARTED", "STEP_1", "STEP_2", "RESTARTED", "SUCCESS")
    result_backend.assert_never(result, "STEP_3")
    with pytest.raises(AssertionError, match="was RESTARTED, which it must never be"):
        result_backend.assert_never(result, "RESTARTED")


@pytest.mark.backends("memory")
def test_what_is_no_state_at_all(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    takes = {
        "assert_transitions": 'assert_transitions(result, "STARTED", "SUCCESS")',
        "assert_never": 'assert_never(result, "FAILURE", "REVOKED")',
        "wait_for": 'wait_for(result, "SUCCESS")',
    }
    for name, line in takes.items():
        with pytest.raises(AssertionError) as caught:
            getattr(result_backend, name)(result, ["FAILURE"])
        assert str(caught.value) == f"['FAILURE'] is no state\n  takes: {line}"
    for odd in (..., times("FAILURE", 1)):
        with pytest.raises(AssertionError, match="is no state\n"):
            result_backend.assert_never(result, odd)  # type: ignore[arg-type]
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_never(result)
    assert str(caught.value) == 'assert_never names no state\n  takes: assert_never(result, "FAILURE")'


@pytest.mark.backends("memory-refuses")
def test_what_the_store_refused_was_no_transition(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_transitions(result, "STARTED", "SUCCESS", ...)
    assert said(caught, result_backend, result).splitlines()[-1] == "  first difference: SUCCESS never came"
    assert "SUCCESS (_ ms, not stored: OSError('disk full'))" in said(caught, result_backend, result)


@pytest.mark.backends("memory")
def test_a_task_that_goes_on_is_said_to(add: Any, result_backend: ResultBackend) -> None:
    result = add.apply_async((1, 1), countdown=60)
    with pytest.raises(WaitTimeout) as caught:
        result_backend.assert_transitions(result, "SUCCESS", timeout=0.01)
    assert said(caught, result_backend, result).splitlines()[:2] == [
        "task <task> on <backend> did not go through SUCCESS within 0.01 s",
        "  observed: nothing was stored",
    ]


@pytest.mark.parametrize("numbers", [(0,), (-1, 2), (3, 2), (0, 0)])
def test_times_refuses_numbers_that_nothing_fits(numbers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="no number is that"):
        times("RETRY", *numbers)


# -- what a timeline knows


@pytest.mark.backends(*SIX)
def test_observations_know_their_attempt_and_their_children(
    add: Any, busy: Any, result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    @result_worker.task(name="parent")
    def parent() -> str:
        return str(add.delay(1, 1).id)

    result = busy.delay(0)
    result_backend.wait_for(result, "SUCCESS")
    timeline = result_backend.timeline(result)
    assert [(seen.state, seen.attempt) for seen in timeline] == [
        *(("STARTED", 1), ("RETRY", 1), ("STARTED", 2), ("RETRY", 2), ("STARTED", 3), ("SUCCESS", 3)),
    ]
    result = parent.delay()
    ended = result_backend.wait_for(result, "SUCCESS")
    assert ended.children == (ended.value,)


@pytest.mark.backends(
    "redis", "postgres", "sqlite", "filesystem", "memory"
)  # rpc:// stores for a request only
def test_racing_writers_are_conflicts(add: Any, result_backend: ResultBackend, result_app: Any) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    assert result_backend.timeline(result).conflicts == []
    store = result_app.backend.store_result
    store(result.id, 2, "SUCCESS")
    assert result_backend.timeline(result).conflicts == []
    store(result.id, 3, "SUCCESS")
    came = []
    for value, state in (({}, "STARTED"), (ValueError("late"), "FAILURE")):
        store(result.id, value, state)
        is_kept = [each.state for each in result_backend.stored()] == [state]
        came.append(f"overwritten by {state} (_ ms" if is_kept else f"followed by {state} (_ ms, not kept")
    result.forget()
    store(result.id, 2, "SUCCESS")
    told = [re.sub(r"\d+\.\d+ ms", "_ ms", str(each)) for each in result_backend.timeline(result).conflicts]
    assert told == [
        "SUCCESS (_ ms) was stored again by SUCCESS (_ ms) in thread MainThread: 2 -> 3",
        *(f"SUCCESS (_ ms) was {each}) in thread MainThread" for each in came),
        "SUCCESS (_ ms) was stored after forget()",
    ]


class Meeting:
    """Has two stores begin before either returns."""

    def __init__(self, app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
        self._app = app
        kind = type(app.backend)
        inner = kind._store_result
        self._both = threading.Barrier(2)
        self._first = threading.Event()

        def stored(backend: Any, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
            self._both.wait(10)
            assert state == self._state_first or self._first.wait(10)
            try:
                return inner(backend, task_id, result, state, *args, **kwargs)
            finally:
                self._first.set()

        monkeypatch.setattr(kind, "_store_result", stored)

    def of(self, task_id: str, first: tuple[str, Any], second: tuple[str, Any]) -> None:
        """Store both, the first one first."""
        self._state_first = first[0]
        threads = [
            threading.Thread(
                target=lambda one=one: self._app.backend.store_result(task_id, one[1], one[0]),
                name=one[0].lower(),
            )
            for one in (first, second)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert not any(thread.is_alive() for thread in threads)


@pytest.mark.backends("redis", "sqlite", "filesystem", "memory")
@pytest.mark.parametrize("states", [("SUCCESS", "FAILURE"), ("FAILURE", "SUCCESS")], ids="-".join)
def test_writers_at_the_same_time_are_a_conflict_whoever_returns_first(
    result_backend: ResultBackend,
    result_app: Celery,
    monkeypatch: pytest.MonkeyPatch,
    states: tuple[str, str],
) -> None:
    values = {"SUCCESS": 1, "FAILURE": ValueError("late")}
    first, second = ((state, values[state]) for state in states)
    Meeting(result_app, monkeypatch).of("t1", first, second)
    monkeypatch.undo()
    (stored,) = result_backend.stored()
    (conflict,) = result_backend.timeline("t1").conflicts
    told = re.sub(r"\d+\.\d+ ms", "_ ms", str(conflict)).replace(", not kept", "")
    one, other = result_backend.timeline("t1").states
    assert told == (
        f"{one} (_ ms) and {other} (_ ms) were stored at the same time, "
        f"in threads {one.lower()} and {other.lower()}: the store holds {stored.state}"
    )


@pytest.mark.backends("memory")
def test_writers_who_agree_are_no_conflict(
    result_backend: ResultBackend, result_app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    Meeting(result_app, monkeypatch).of("t1", ("PROGRESS", {"done": 1}), ("STEP", {"done": 2}))
    assert result_backend.timeline("t1").conflicts == []


# -- never, retried, revoked, progress


@pytest.mark.backends(*SIX)
def test_they_hold(busy: Any, add: Any, result_backend: ResultBackend, result_app: Any) -> None:
    result = busy.delay()
    result_backend.assert_never(result, "FAILURE", "REVOKED")
    result_backend.assert_retried(result, times=2)
    late = add.apply_async((1, 1), countdown=60)
    late.revoke()
    late = add.apply_async((1, 1), expires=-1)
    result_backend.assert_revoked(late)
    steady = busy.apply_async((3,), retries=2)
    result_backend.assert_progress(steady)
    result_backend.assert_progress(result, increasing=False)


@pytest.mark.backends("memory-refuses")
def test_a_state_that_must_never_be(
    add: Any, result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_never(result, "FAILURE")
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> was FAILURE, which it must never be\n"
        "  observed: STARTED (_ ms) -> SUCCESS (_ ms, not stored: OSError('disk full')) -> FAILURE (_ ms)\n"
        "  stored: FAILURE OSError('disk full')"
    )


@pytest.mark.backends("memory-refuses-steps")
def test_retries_that_were_not_stored(busy: Any, result_backend: ResultBackend) -> None:
    result = busy.delay(0)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_retried(result, times=2)
    assert said(caught, result_backend, result).splitlines()[0] == (
        "task <task> on <backend> was retried 0 times, not 2"
    )


@pytest.mark.backends("memory-drops-steps", "sqlite-drops-steps")
def test_retries_that_the_store_did_not_keep(busy: Any, result_backend: ResultBackend) -> None:
    result = busy.delay(0)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_retried(result, times=2)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend>: the store did not keep what it was given\n"
        "  worker stored: STARTED (_ ms) -> RETRY (_ ms, not kept) -> STARTED (_ ms) "
        "-> RETRY (_ ms, not kept) -> STARTED (_ ms) -> SUCCESS (_ ms)\n"
        "  store held: STARTED instead of RETRY\n"
        "  store held: STARTED instead of RETRY"
    )


@pytest.mark.backends("memory")
def test_too_few_retries(busy: Any, result_backend: ResultBackend) -> None:
    result = busy.delay(0)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_retried(result, times=3)
    assert said(caught, result_backend, result).splitlines()[0] == (
        "task <task> on <backend> was retried 2 times, not 3"
    )


@pytest.mark.backends("memory-drops-revoked", "redis-drops-revoked")
def test_a_revocation_that_the_store_did_not_keep(add: Any, result_backend: ResultBackend) -> None:
    result = add.apply_async((1, 1), expires=-1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_revoked(result)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend>: the store did not keep what it was given\n"
        "  worker stored: REVOKED (_ ms)\n"
        "  store holds: nothing"
    )


@pytest.mark.backends("memory")
def test_a_task_that_was_not_revoked(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_revoked(result)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> was not revoked\n  observed: STARTED (_ ms) -> SUCCESS (_ ms)"
    )


@pytest.mark.backends("memory-refuses-steps")
def test_progress_that_was_not_stored(busy: Any, result_backend: ResultBackend) -> None:
    result = busy.delay(1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_progress(result)
    assert said(caught, result_backend, result).splitlines()[0] == (
        "task <task> on <backend> reported PROGRESS in vain: OSError('disk full')"
    )


@pytest.mark.backends("memory-drops-steps", "sqlite-drops-steps")
def test_progress_that_the_store_did_not_keep(
    result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    @result_worker.task(bind=True)
    def report(self: Any) -> None:
        self.update_state(state="PROGRESS", meta={"done": 1})

    result = report.delay()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_progress(result)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend>: the store did not keep what it was given\n"
        "  worker stored: STARTED (_ ms) -> PROGRESS (_ ms, not kept) -> SUCCESS (_ ms)\n"
        "  store held: STARTED instead of PROGRESS"
    )


@pytest.mark.backends("memory")
@pytest.mark.parametrize(
    ("steps", "key", "message"),
    [
        (0, "done", "stored no state of its own"),
        (1, "percent", "reported PROGRESS without 'percent': {'done': 0}"),
    ],
)
def test_progress_that_is_none(
    busy: Any, result_backend: ResultBackend, steps: int, key: str, message: str
) -> None:
    result = busy.delay(steps)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_progress(result, key=key)
    assert said(caught, result_backend, result).splitlines()[0] == f"task <task> on <backend> {message}"


@pytest.mark.backends("memory")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 2, 1], "went back: done was 1, 2, 1"),
        ([None, 1], "reported what has no order: done was None, 1"),
        ([{"a": 1}, {"a": 2}], "reported what has no order: done was {'a': 1}, {'a': 2}"),
    ],
)
def test_progress_that_does_not_grow(
    result_backend: ResultBackend, result_worker: ResultWorker, values: list[Any], message: str
) -> None:
    @result_worker.task(name="report", bind=True)
    def report(self: Any) -> None:
        for value in values:
            self.update_state(state="PROGRESS", meta={"done": value})

    result = report.delay()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_progress(result)
    assert said(caught, result_backend, result).splitlines()[0] == f"task <task> on <backend> {message}"
    result_backend.assert_progress(result, increasing=False)


@pytest.mark.backends("redis", "memory")
def test_a_retry_may_start_over(busy: Any, result_backend: ResultBackend) -> None:
    result_backend.assert_progress(busy.delay(3))


# -- ends that are not stored


@pytest.mark.backends(*SIX)
def test_a_task_that_ends_without_a_result_of_celerys_has_ended(
    result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    @result_worker.task(name="refuse", bind=True)
    def refuse(self: Any) -> None:
        self.update_state(state="REFUSED", meta={"done": 1})
        raise Ignore

    @result_worker.task(name="quiet", bind=True, ignore_result=True)
    def quiet(self: Any) -> None:
        self.update_state(state="REFUSED", meta={"done": 1})

    for task, first in ((refuse, ["STARTED"]), (quiet, [])):
        result = task.delay()
        result_backend.assert_transitions(result, *first, "REFUSED", timeout=60)
        result_backend.assert_progress(result, timeout=60)
        result_backend.assert_never(result, "FAILURE", timeout=60)
    assert result_backend.timeline(result).unstored == "its result is ignored"


@pytest.mark.backends(*SIX)
@pytest.mark.celery(task_track_started=False)
def test_a_task_that_stores_nothing_and_raises(
    result_backend: ResultBackend,
    result_worker: ResultWorker,
) -> None:
    @result_worker.task(name="leave", acks_late=True)
    def leave() -> None:
        raise Ignore

    result = leave.delay()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_never(result, "FAILURE", timeout=60)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> left no result\n  observed: nothing was stored: it raised Ignore"
    )


@pytest.mark.backends("memory-refuses-ends", "redis-refuses-ends", "sqlite-refuses-ends")
def test_an_end_that_could_not_be_stored(
    add: Any, result_backend: ResultBackend, result_worker: ResultWorker, result_app: Celery
) -> None:
    result = result_app.AsyncResult("handmade")
    with pytest.raises(OSError, match="disk full"):
        result_app.backend.store_result("handmade", 4, "SUCCESS")
    message = "task <id> on <backend> was SUCCESS, which could not be stored: OSError('disk full')"
    for name, arguments in {
        "assert_never": ("FAILURE",),
        "assert_transitions": ("SUCCESS",),
        "assert_raises_in_task": (OutOfStock,),
        "assert_retried": (),
        "assert_revoked": (),
        "wait_for": ("FAILURE",),
        "assert_same_everywhere": (),
    }.items():
        if result_backend.name.startswith("memory") and name == "assert_same_everywhere":
            continue  # no other process reads it
        numbers = {"times": 1} if name == "assert_retried" else {}
        with pytest.raises(AssertionError) as caught:
            getattr(result_backend, name)(result, *arguments, timeout=60, **numbers)
        assert said(caught, result_backend, result) == (
            f"{message}\n  observed: SUCCESS (_ ms, not stored: OSError('disk full'))"
        )


@pytest.mark.backends("memory")
def test_an_assertion_about_a_task_that_does_not_end_has_a_limit(
    add: Any, result_backend: ResultBackend
) -> None:
    result = add.apply_async((1, 1), countdown=30)
    with pytest.raises(WaitTimeout) as caught:
        result_backend.assert_never(result, "FAILURE", timeout=0.05)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> did not end within 0.05 s\n"
        "  observed: nothing was stored\n"
        "  not done in queues: celery\n"
        "  type: timeout=60  # as an argument"
    )


# -- exceptions


@pytest.mark.backends(*SIX)
def test_an_exception_comes_back(sell: Any, result_backend: ResultBackend) -> None:
    came_back = result_backend.assert_raises_in_task(sell.delay(3), OutOfStock, match="none left")
    assert came_back.args == ("none left", 3)


@pytest.mark.backends("memory-flattens-errors", "redis-flattens-errors", "sqlite-flattens-errors")
def test_an_exception_of_which_the_text_was_kept(sell: Any, result_backend: ResultBackend) -> None:
    result = sell.delay(3)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_raises_in_task(result, OutOfStock)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> failed, and not as OutOfStock comes back\n"
        f"  expected: {__name__}.OutOfStock\n"
        f"  raised: {__name__}.OutOfStock: OutOfStock('none left', 3)\n"
        "  came back: builtins.Exception: Exception(\"('none left', 3)\")"
    )


@pytest.mark.backends("memory")
def test_another_text_than_expected(sell: Any, result_backend: ResultBackend) -> None:
    result = sell.delay(3)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_raises_in_task(result, OutOfStock, match="sold out")
    assert said(caught, result_backend, result).splitlines()[1] == (
        "  expected: a text that matches 'sold out'"
    )


@pytest.mark.backends("memory")
def test_a_task_that_did_not_fail(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_raises_in_task(result, OutOfStock)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> did not raise OutOfStock\n  observed: STARTED (_ ms) -> SUCCESS (_ ms)"
    )


# -- groups and chords


@pytest.mark.backends(*SIX)
def test_a_group_is_complete(add: Any, result_backend: ResultBackend) -> None:
    result_backend.assert_group_complete(group(add.s(n, n) for n in range(3)).delay())


@pytest.mark.backends("memory-drops-success", "redis-drops-success", "sqlite-drops-success")
def test_a_group_whose_results_were_not_kept(add: Any, result_backend: ResultBackend) -> None:
    result = group(add.s(n, n) for n in range(2)).delay()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_group_complete(result)
    assert said(caught, result_backend, result, *result.results) == (
        "2 of 2 members of group <task> on <backend> are not complete\n"
        "  <task 1>: STARTED (_ ms) -> SUCCESS (_ ms); the store holds STARTED\n"
        "  <task 2>: STARTED (_ ms) -> SUCCESS (_ ms); the store holds STARTED"
    )


@pytest.mark.backends("memory", "redis")
def test_a_group_that_goes_on(add: Any, result_backend: ResultBackend, result_worker: ResultWorker) -> None:
    go_on = threading.Event()

    @result_worker.task(name="slow")
    def slow() -> None:
        assert go_on.wait(10)

    result = group(add.s(1, 1), slow.s(), add.s(1, 1).set(countdown=60)).delay()
    result_backend.wait_for(result[1], "STARTED")
    with pytest.raises(WaitTimeout) as caught:
        result_backend.assert_group_complete(result, timeout=0.01)
    go_on.set()
    lines = said(caught, result_backend, result, *result.results).splitlines()
    assert lines[0] == "2 of 3 members of group <task> on <backend> did not end within 0.01 s"
    assert re.match(r"  running: slow\[<id 2>\] for ", lines[2])
    assert "go_on.wait(10)" in caught.value.log


@pytest.mark.backends("memory")
def test_what_is_no_chord(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_chord_ran_once(result)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> is no body of a chord\n  takes: what calling a chord gives: chord(header)(body)"
    )


@pytest.mark.backends("memory", "redis")
def test_a_chord_of_one_and_a_body_by_its_id(add: Any, total: Any, result_backend: ResultBackend) -> None:
    """Celery makes a chain of a chord whose header is one task."""
    result_backend.assert_chord_ran_once(chord([total.s([1, 2])], add.s(3))())
    result_backend.assert_chord_ran_once(chord([add.s(1, 1), add.s(2, 2)], total.s())().id)


@pytest.mark.backends("memory", "redis")
def test_a_body_that_runs_again(add: Any, result_backend: ResultBackend, result_worker: ResultWorker) -> None:
    go_on, again = threading.Event(), threading.Event()

    @result_worker.task(name="body")
    def body(numbers: list[int]) -> int:
        assert not again.is_set() or go_on.wait(10)
        return sum(numbers)

    result = chord([add.s(1, 1), add.s(2, 2)], body.s())()
    assert result.get(timeout=5) == 6
    result_worker.drain()
    again.set()
    body.apply_async(([1, 2],), task_id=result.id)
    with pytest.raises(WaitTimeout) as caught:
        result_backend.assert_chord_ran_once(result, timeout=0.05)
    go_on.set()
    assert said(caught, result_backend, result).splitlines()[0] == (
        "the body of chord <task> on <backend> may run again: tasks went on for 0.05 s"
    )


@pytest.mark.backends("memory")
def test_what_is_no_group(add: Any, result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError, match=r"is no group\n  takes: a GroupResult: what group"):
        result_backend.assert_group_complete(add.delay(1, 1))


@pytest.mark.backends("redis", "postgres", "sqlite", "filesystem", "memory")
def test_a_chord_runs_its_body_once(add: Any, total: Any, result_backend: ResultBackend) -> None:
    result_backend.assert_chord_ran_once(chord([add.s(1, 1), add.s(2, 2)], total.s())())


@pytest.mark.backends("memory", "sqlite")
def test_a_chord_whose_body_never_ran(add: Any, sell: Any, total: Any, result_backend: ResultBackend) -> None:
    """Celery stores the header's failure for the body."""
    result = chord([add.s(1, 1), sell.s(1)], total.s())()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_chord_ran_once(result)
    lines = said(caught, result_backend, result).splitlines()
    assert lines[:2] == ["the body of chord <task> on <backend> never ran", "  observed: FAILURE (_ ms)"]
    assert lines[2].startswith("  stored: FAILURE ")


@pytest.mark.backends("memory")
def test_a_body_that_ran_ahead_of_its_header(add: Any, result_backend: ResultBackend) -> None:
    header = group(add.s(1, 1), add.s(2, 2).set(countdown=0.2))()
    body = add.delay(3, 3)
    body.parent = header
    result_backend.wait_for(header[1], "SUCCESS")
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_chord_ran_once(body)
    lines = said(caught, result_backend, body).splitlines()
    assert lines[0] == "the body of chord <task> on <backend> ran before its header had ended"
    assert lines[2].startswith(f"  header: {header[1].id[:8]}: STARTED (")


@pytest.mark.backends("filesystem-returns-late")
@pytest.mark.celery(worker_pool="threads", worker_concurrency=4, result_chord_retry_interval=0.01)
def test_others_may_see_that_a_header_has_ended_before_its_store_returns(
    add: Any, total: Any, result_backend: ResultBackend
) -> None:
    result_backend.assert_chord_ran_once(chord([add.s(1, 1), add.s(2, 2)], total.s())())


@pytest.mark.backends("memory-repeats-bodies")
def test_a_chord_whose_body_ran_again(add: Any, total: Any, result_backend: ResultBackend) -> None:
    result = chord([add.s(1, 1), add.s(2, 2)], total.s())()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_chord_ran_once(result)
    assert said(caught, result_backend, result).splitlines()[0] == (
        "the body of chord <task> on <backend> ended 3 times"
    )


@pytest.mark.backends("memory")
def test_a_group_of_nothing_is_not_complete(result_backend: ResultBackend, result_app: Any) -> None:
    nothing = result_app.GroupResult("g1", [])
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_group_complete(nothing)
    assert str(caught.value) == "group g1 has no members\n  takes: a group of one task or more"


@pytest.mark.backends("memory-refuses-revoked")
def test_what_the_store_refused_is_not_how_a_task_ended(
    add: Any, result_backend: ResultBackend, result_app: Any
) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    with pytest.raises((OSError, BackendStoreError)):
        result_app.backend.store_result(result.id, None, "REVOKED")
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_revoked(result)
    assert said(caught, result_backend, result).splitlines()[0] == "task <task> on <backend> was not revoked"


@pytest.mark.backends("memory-refuses-to-forget")
def test_what_could_not_be_forgotten_has_to_be_there(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    with pytest.raises(OSError, match="gone away"):
        result.forget()
    result_backend.assert_transitions(result, ..., "SUCCESS")
    result_backend._lease.probe.remove(result.id)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_transitions(result, ..., "SUCCESS")
    assert said(caught, result_backend, result).splitlines()[-1] == "  store holds: nothing"
