"""Waiting for results: what was reported of it, each with what is expected, and where it still is not so."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest
from celery import Celery, group
from celery.exceptions import TimeoutError as GaveUp
from celery.result import AsyncResult, GroupResult, ResultSet

from pytest_celery_backends import ResultBackend, ResultWorker

differs = pytest.mark.differs
said = pytest.mark.said

#: What ``pytest.raises`` raises where nothing was raised.
DID_NOT_RAISE = pytest.fail.Exception
#: Seconds for what takes milliseconds.
LIMIT = 5


@pytest.mark.backends("redis", "rpc-memory", "sqlite", "memory")
@said("redis", "rpc-memory", "sqlite", "memory", fixed=(5, 7))
@differs(
    "redis",
    "rpc-memory",
    "sqlite",
    "memory",
    until=(5, 7),
    raises=DID_NOT_RAISE,
    why="it waits until the task has ended",
)
def test_celery_5240_get_with_a_timeout_of_nought_waits_for_ever(tasks: Any) -> None:
    """celery#5240, celery#10487: nought seconds were taken for no limit."""
    result = tasks.add.apply_async((1, 1), countdown=0.3)
    with pytest.raises(GaveUp):
        result.get(timeout=0)


@pytest.mark.backends("redis", "rpc-memory", "sqlite", "memory")
@said("redis", "rpc-memory", "sqlite", "memory", fixed=(5, 7))
@differs(
    "redis",
    "rpc-memory",
    "sqlite",
    "memory",
    until=(5, 7),
    raises=DID_NOT_RAISE,
    why="it waits until every task has ended",
)
def test_celery_10487_join_with_a_timeout_of_nought_waits_for_ever(tasks: Any) -> None:
    """celery#10487: the same for a group, each of whose members was waited for without a limit."""
    result = group(tasks.add.s(n, n).set(countdown=0.3) for n in range(2))()
    with pytest.raises(GaveUp):
        result.join(timeout=0)


@pytest.mark.backends("redis", "sqlite")
@said("redis")
@differs("redis", raises=RuntimeError, why="RuntimeError: generator raised StopIteration")
def test_celery_5263_the_values_of_no_results_cannot_be_joined(result_app: Celery) -> None:
    """celery#5263: a generator may not raise StopIteration; one place was left over."""
    empty = GroupResult("empty", [], app=result_app)
    assert list(empty.iter_native() if result_app.backend.supports_native_join else empty) == []


@pytest.mark.backends("redis", "rpc-memory", "sqlite")
@said("redis", "rpc-memory", fixed=(5, 7))
@differs("redis", "rpc-memory", until=(5, 7), raises=GaveUp, why="TimeoutError, though every task has ended")
def test_celery_5359_a_set_that_was_filled_later_is_never_joined(tasks: Any, result_app: Celery) -> None:
    """celery#5359, celery#10407: the barrier of a set that begins empty was never closed."""
    found = ResultSet([], app=result_app)
    for number in range(3):
        found.add(tasks.add.delay(number, number))
    assert found.get(timeout=1) == [0, 2, 4]


@pytest.mark.backends("redis", "memory")
@said("redis", fixed=(5, 6))
@differs("redis", until=(5, 6), why="the result is still waited for")
def test_celery_9797_forgetting_does_not_end_a_subscription(
    tasks: Any, result_backend: ResultBackend, result_app: Celery
) -> None:
    """celery#9797, celery#9806: a result that was given up and forgotten was still waited for."""
    result = tasks.add.apply_async((1, 1), countdown=300)
    with pytest.raises(GaveUp):
        result.get(timeout=0.05)
    result.forget()
    result_backend.assert_no_leftovers(ignore=["message"])
    assert result.id not in str(getattr(result_app.backend, "_pending_results", ""))


@pytest.mark.backends("redis", "memory")
@said("redis")
@differs("redis", why="each stays subscribed until it is fetched or goes out of use")
def test_celery_3812_a_result_that_nobody_fetches_stays_subscribed(
    tasks: Any, result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    """celery#3812, celery#6963: a channel for each result that was sent and not fetched."""
    held = [tasks.add.delay(number, number) for number in range(5)]  # what is collected is unsubscribed
    result_worker.drain()
    result_backend.assert_no_leftovers(ignore=["task"])
    del held


@pytest.mark.backends("redis", "memory")
@said("redis", fixed=(5, 0))
def test_celery_6963_a_result_that_is_out_of_use_stays_subscribed(
    tasks: Any, result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    """celery#3812, celery#6963: the channel of a result that nobody holds any more."""
    for number in range(5):
        tasks.add.delay(number, number)
    result_worker.drain()
    gc.collect()
    result_backend.assert_no_leftovers(ignore=["task"])


@pytest.mark.backends("redis", "memory")
@said("redis")
@differs("redis", why="what was published for each of them is kept")
def test_celery_8166_what_nobody_fetches_is_kept_in_memory(
    tasks: Any, result_app: Celery, result_worker: ResultWorker
) -> None:
    """celery#8166, celery#10366: the messages of results that nobody holds any more."""
    results = [tasks.add.delay(number, number) for number in range(5)]
    result_worker.drain()
    results.clear()  # while somebody holds them, the client listens
    assert tasks.add.apply_async((1, 1), countdown=0.1).get(timeout=LIMIT) == 2
    kept = getattr(result_app.backend, "_pending_messages", None)
    assert kept is None or kept.total == 0


@pytest.mark.backends("redis", "memory")
@pytest.mark.celery(result_backend_thread_safe=True)
@said("redis", fixed=(5, 7))
@differs("redis", until=(5, 7), raises=GaveUp, why="one of the two is never told")
def test_celery_10956_of_two_who_wait_for_a_result_one_is_told(tasks: Any, result_app: Celery) -> None:
    """celery#10956: one object was kept for each id, and the last one that asked took its place."""
    result = tasks.add.apply_async((1, 1), countdown=0.3)
    again, values = AsyncResult(result.id, app=result_app), []
    other = threading.Thread(target=lambda: values.append(again.get(timeout=1)), daemon=True)
    other.start()
    values.append(result.get(timeout=1))
    other.join(LIMIT)
    assert values == [2, 2]
