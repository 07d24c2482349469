"""Results as messages: what was reported of them, each with what is expected, and where it still is not so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult

from pytest_celery_backends import ResultBackend, ResultWorker
from pytest_celery_backends.polling import wait_until

differs = pytest.mark.differs
said = pytest.mark.said

#: Seconds for what takes milliseconds.
LIMIT = 5


@pytest.mark.backends("rpc-memory", "rpc", "redis")
@said("rpc-memory", "rpc")
@differs("rpc-memory", "rpc", why="a result is a message: once it was taken it is gone")
def test_celery_5414_a_result_is_gone_once_it_was_read(tasks: Any, result_app: Celery) -> None:
    """celery#5414: "not a bug", says the report."""
    result = tasks.add.delay(1, 1)
    assert result.get(timeout=LIMIT) == 2
    assert AsyncResult(result.id, app=result_app).state == "SUCCESS"


@pytest.mark.backends("rpc-memory", "redis")
@said("rpc-memory", fixed=(5, 7))
def test_celery_10459_a_state_that_was_polled_is_gone(
    tasks: Any, result_app: Celery, result_worker: ResultWorker
) -> None:
    """celery#5414, celery#10459: what polling has read is there for who asks next."""
    result = tasks.add.delay(1, 1)
    result_worker.drain()
    assert result.state == "SUCCESS"
    assert AsyncResult(result.id, app=result_app).state == "SUCCESS"


@pytest.mark.backends("rpc-memory", "redis")
@said("rpc-memory")
@differs("rpc-memory", why="results go to the queue of the thread that sent the task")
def test_celery_9105_another_thread_never_sees_a_result(tasks: Any, result_app: Celery) -> None:
    """celery#9105, celery#2428, celery#4648: an id means nothing to other threads, apps and processes."""
    result = tasks.add.delay(1, 1)
    assert wait_until(result.ready, LIMIT)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(lambda: AsyncResult(result.id, app=result_app).state).result(LIMIT) == "SUCCESS"


@pytest.mark.backends("rpc-memory", "rpc", "redis")
@said("rpc-memory", "rpc", fixed=(5, 7))
@differs("rpc-memory", "rpc", until=(5, 7), why="it stays in the queue, to be read again")
def test_celery_2924_a_message_that_was_polled_is_never_acknowledged(
    tasks: Any, result_app: Celery, result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    """celery#2924, celery#10459: the queue grows by each final state that was polled."""
    result = tasks.add.delay(1, 1)
    result_worker.drain()
    assert result.state == "SUCCESS"
    with result_app.pool.acquire_channel(block=True) as (_, channel):
        channel.basic_qos(0, 1, False)  # a broker answers this after it has put back what was rejected
    assert [entry for entry in result_backend.stored() if entry.kind == "message"] == []


@pytest.mark.backends("rpc-memory", "redis")
@pytest.mark.celery(result_extended=True)
@said("rpc-memory", fixed=(5, 7))
@differs("rpc-memory", until=(5, 7), why="a message has the state, the value, the traceback and the children")
def test_celery_10431_a_result_lacks_its_date_and_its_name(tasks: Any, result_app: Celery) -> None:
    """celery#10431: date_done, group_id, parent_id and all of ``result_extended``."""
    result = tasks.add.delay(1, 1)
    assert result.get(timeout=LIMIT) == 2
    assert (result.name, result.date_done is not None) == (tasks.add.name, True)


@pytest.mark.backends("rpc-memory", "rpc", "redis")
@said("rpc-memory", "rpc", fixed=(4, 0))
def test_celery_3141_asking_for_one_result_loses_those_of_others(
    tasks: Any, result_worker: ResultWorker
) -> None:
    """celery#3141, celery#3111, celery#2410: messages of other tasks were thrown away."""
    results = [tasks.add.delay(number, number) for number in range(3)]
    result_worker.drain()
    assert [result.ready() for result in reversed(results)] == [True, True, True]
    assert [result.get(timeout=LIMIT) for result in results] == [0, 2, 4]


@pytest.mark.backends("rpc-memory", "redis", "sqlite", "memory")
@said("redis", "sqlite", "memory", fixed=(5, 7))
@said("rpc-memory")
@differs(
    "rpc-memory", since=(5, 7), raises=AttributeError, why="AttributeError: no attribute '_get_task_meta_for'"
)
@differs(
    "rpc-memory",
    "redis",
    "sqlite",
    "memory",
    until=(5, 7),
    raises=AttributeError,
    why="there is no such method yet",
)
def test_celery_10142_nobody_can_ask_whether_a_result_exists(tasks: Any, result_worker: ResultWorker) -> None:
    """celery#10142: ``AsyncResult.exists()``, new in 5.7."""
    result = tasks.add.delay(1, 1)
    result_worker.drain()
    assert result.exists() is True


@pytest.mark.backends("rpc", "rpc-memory")
@said("rpc")
@differs("rpc", why="results of a group are read by get() and join() alone")
def test_celery_4491_a_group_never_gets_ready(tasks: Any) -> None:
    """celery#4491: ``ready()`` of a group whose members have all ended."""
    from celery import group

    result = group(tasks.add.s(number, number) for number in range(3))()
    assert wait_until(result.ready, 1)
