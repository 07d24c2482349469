"""What a task went through: patterns, retries, progress, failures, groups; each assertion holds, and can fail."""

from __future__ import annotations

import re
from typing import Any

import pytest
from celery import chord, group

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
def add(result_worker: ResultWorker) -> Any:
    @result_worker.task(name="add")
    def add(x: int, y: int) -> int:
        return x + y

    return add


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


def said(caught: pytest.ExceptionInfo[BaseException], backend: ResultBackend, *results: Any) -> str:
    """The message, with what differs from run to run named."""
    text = str(caught.value).replace(str(backend._subject), "<backend>")
    for number, result in enumerate(results):
        text = text.replace(result.id, f"<id {number}>").replace(result.id[:8], f"<task {number}>")
    return re.sub(r"\d+\.\d+ ms", "_ ms", text)


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
        "task <task 0> on <backend> did not go through the expected states\n"
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
        "assert timeline of <task 0> == [STARTED -> RETRY -> ...]\n"
        "  expected: STARTED -> RETRY -> ...\n"
        "  observed: STARTED (_ ms) -> SUCCESS (_ ms)\n"
        "  first difference: RETRY never came"
    )


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
    store(result.id, {}, "STARTED")
    store(result.id, ValueError("late"), "FAILURE")
    result.forget()
    store(result.id, 2, "SUCCESS")
    told = [re.sub(r"\d+\.\d+ ms", "_ ms", str(each)) for each in result_backend.timeline(result).conflicts]
    assert told == [
        "SUCCESS (_ ms) was stored again by SUCCESS (_ ms) in thread MainThread: value is 3, not 2",
        "SUCCESS (_ ms) was overwritten by STARTED (_ ms) in thread MainThread",
        "SUCCESS (_ ms) was overwritten by FAILURE (_ ms) in thread MainThread",
        "SUCCESS (_ ms) was stored after forget()",
    ]


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
        "task <task 0> on <backend> was FAILURE, which it must never be\n"
        "  observed: STARTED (_ ms) -> SUCCESS (_ ms, not stored: OSError('disk full')) -> FAILURE (_ ms)\n"
        "  stored: FAILURE OSError('disk full')"
    )


@pytest.mark.backends("memory-refuses-steps")
def test_retries_that_were_not_stored(busy: Any, result_backend: ResultBackend) -> None:
    result = busy.delay(0)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_retried(result, times=2)
    assert said(caught, result_backend, result).splitlines()[0] == (
        "task <task 0> on <backend> was retried 0 times, not 2"
    )


@pytest.mark.backends("memory")
def test_too_few_retries(busy: Any, result_backend: ResultBackend) -> None:
    result = busy.delay(0)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_retried(result, times=3)
    assert said(caught, result_backend, result).splitlines()[0] == (
        "task <task 0> on <backend> was retried 2 times, not 3"
    )


@pytest.mark.backends("memory-drops-revoked", "redis-drops-revoked")
def test_a_revocation_that_the_store_did_not_keep(add: Any, result_backend: ResultBackend) -> None:
    result = add.apply_async((1, 1), expires=-1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_revoked(result)
    assert said(caught, result_backend, result) == (
        "task <task 0> on <backend>: the store did not keep what it was given\n"
        "  worker stored: REVOKED (_ ms)\n"
        "  store holds: nothing"
    )


@pytest.mark.backends("memory")
def test_a_task_that_was_not_revoked(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_revoked(result)
    assert said(caught, result_backend, result) == (
        "task <task 0> on <backend> was not revoked\n  observed: STARTED (_ ms) -> SUCCESS (_ ms)"
    )


@pytest.mark.backends("memory-refuses-steps")
def test_progress_that_was_not_stored(busy: Any, result_backend: ResultBackend) -> None:
    result = busy.delay(1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_progress(result)
    assert said(caught, result_backend, result).splitlines()[0] == (
        "task <task 0> on <backend> reported PROGRESS in vain: OSError('disk full')"
    )


@pytest.mark.backends("memory")
@pytest.mark.parametrize(
    ("steps", "key", "message"),
    [
        (0, "done", "stored no state of its own"),
        (1, "percent", "reported PROGRESS without 'percent': {'done': 0}"),
        (2, "done", "went back: done was 0, 1, 0, 1, 0, 1"),
    ],
)
def test_progress_that_is_none(
    busy: Any, result_backend: ResultBackend, steps: int, key: str, message: str
) -> None:
    result = busy.delay(steps)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_progress(result, key=key)
    assert said(caught, result_backend, result).splitlines()[0] == f"task <task 0> on <backend> {message}"


@pytest.mark.backends("memory")
def test_an_assertion_about_a_task_that_does_not_end_has_a_limit(
    add: Any, result_backend: ResultBackend
) -> None:
    result = add.apply_async((1, 1), countdown=30)
    with pytest.raises(WaitTimeout) as caught:
        result_backend.assert_never(result, "FAILURE", timeout=0.05)
    assert said(caught, result_backend, result) == (
        "task <task 0> on <backend> did not end within 0.05 s\n"
        "  observed: nothing was stored\n"
        "  waiting in queues: celery\n"
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
        "task <task 0> on <backend> failed, and not as OutOfStock comes back\n"
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
        "task <task 0> on <backend> did not raise OutOfStock\n  observed: STARTED (_ ms) -> SUCCESS (_ ms)"
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
        "2 of 2 members of group <task 0> on <backend> are not complete\n"
        "  <task 1>: STARTED (_ ms) -> SUCCESS (_ ms); the store holds STARTED\n"
        "  <task 2>: STARTED (_ ms) -> SUCCESS (_ ms); the store holds STARTED"
    )


@pytest.mark.backends("memory")
def test_what_is_no_group(add: Any, result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError, match=r"is no group\n  takes: a GroupResult: what group"):
        result_backend.assert_group_complete(add.delay(1, 1))


@pytest.mark.backends("redis", "postgres", "sqlite", "filesystem", "memory")
def test_a_chord_runs_its_body_once(add: Any, total: Any, result_backend: ResultBackend) -> None:
    result_backend.assert_chord_ran_once(chord([add.s(1, 1), add.s(2, 2)], total.s())())


@pytest.mark.backends("memory-repeats-bodies")
def test_a_chord_whose_body_ran_again(add: Any, total: Any, result_backend: ResultBackend) -> None:
    result = chord([add.s(1, 1), add.s(2, 2)], total.s())()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_chord_ran_once(result)
    assert said(caught, result_backend, result).splitlines()[0] == (
        "the body of chord <task 0> on <backend> ended 3 times"
    )
