"""What the worker stored, what another process reads, and what the store holds are the same; or it is said how not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import backwards
import pytest
from kombu.serialization import register, unregister
from messages import said

from pytest_celery_backends import ResultBackend, ResultWorker
from pytest_celery_backends.errors import Unsupported

pytestmark = pytest.mark.celery(task_track_started=True)

READABLE = ("redis", "postgres", "sqlite", "filesystem")


def under(serializer: str) -> Any:
    """A serializer as a parameter, and in force."""
    settings = pytest.mark.celery(result_serializer=serializer, result_accept_content=[serializer])
    return pytest.param(serializer, marks=settings)


class OutOfStock(Exception):
    """The user's own error."""


@pytest.mark.backends(*READABLE)
@pytest.mark.parametrize("serializer", [under("json"), under("pickle"), under("yaml")])
@pytest.mark.parametrize("value", [None, {"sku": [1, 2.5, "ä"]}, ("a", 1)], ids=["none", "nested", "tuple"])
def test_values(
    value: Any,
    serializer: str,
    result_backend: ResultBackend,
    result_worker: ResultWorker,
    result_app: Any,
) -> None:
    assert result_app.backend.serializer == serializer

    @result_worker.task
    def give() -> Any:
        return value

    result_backend.assert_same_everywhere(give.delay())


@pytest.mark.backends(*READABLE)
def test_an_error_of_the_users_own(result_backend: ResultBackend, result_worker: ResultWorker) -> None:
    @result_worker.task
    def sell() -> None:
        raise OutOfStock("none left", 3)

    result_backend.assert_same_everywhere(sell.delay())


@pytest.mark.backends("redis", "sqlite")
def test_a_revoked_task(add: Any, result_backend: ResultBackend) -> None:
    result_backend.assert_same_everywhere(add.apply_async((1, 1), expires=-1))


@pytest.fixture(scope="module", autouse=True)
def _a_serializer_of_the_users_own() -> Iterator[None]:
    register("backwards", backwards.encode, backwards.decode, "application/x-backwards", "utf-8")
    yield
    unregister("backwards")


@pytest.mark.backends(*READABLE)
@pytest.mark.celery(result_serializer="backwards", result_accept_content=["backwards"])
def test_a_serializer_of_the_users_own(add: Any, result_backend: ResultBackend, result_app: Any) -> None:
    assert result_app.backend.serializer == "backwards"
    result_backend.assert_same_everywhere(add.delay(1, 1))


@pytest.mark.backends("redis-changes-values", "postgres-changes-values", "sqlite-changes-values")
def test_a_store_that_changes_what_it_is_given(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_same_everywhere(result)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> is not the same everywhere\n"
        "  worker stored: SUCCESS 2\n"
        "  another process read: SUCCESS {'wrapped': 2}\n"
        "  the store holds: SUCCESS {'wrapped': 2}"
    )


@pytest.mark.backends("redis-lies-to-others", "sqlite-lies-to-others")
def test_another_process_that_reads_something_else(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_same_everywhere(result)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> is not the same everywhere\n"
        "  worker stored: SUCCESS 2\n"
        "  another process read: SUCCESS None\n"
        "  the store holds: SUCCESS 2"
    )


@pytest.mark.backends("redis-loses-tracebacks")
def test_a_traceback_that_is_not_stored(result_backend: ResultBackend, result_worker: ResultWorker) -> None:
    @result_worker.task
    def sell() -> None:
        raise OutOfStock("none left", 3)

    result = sell.delay()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_same_everywhere(result)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> is not the same everywhere\n"
        "  worker stored: FAILURE OutOfStock('none left', 3)\n"
        "  another process read: FAILURE OutOfStock('none left', 3), and of the traceback nothing"
    )


@pytest.mark.backends("redis")
def test_a_pickle_that_the_app_would_not_load_is_not_loaded(
    add: Any, result_backend: ResultBackend, tmp_path: Any
) -> None:
    import pickle

    class Trap:
        def __reduce__(self) -> Any:
            return (tmp_path.joinpath("sprung").touch, ())

    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    (found,) = result_backend.stored()
    result_backend.client.set(found.key, pickle.dumps(Trap()))
    with pytest.raises(AssertionError, match="bytes that cannot be read: DecodeError"):
        result_backend.assert_same_everywhere(result)
    assert not tmp_path.joinpath("sprung").exists()


@pytest.mark.backends("redis-drops-success", "sqlite-drops-success")
def test_a_store_that_kept_an_earlier_state(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_same_everywhere(result)
    lines = said(caught, result_backend, result).splitlines()
    assert lines[:2] == [
        "task <task> on <backend> is not the same everywhere",
        "  worker stored: SUCCESS 2",
    ]
    assert [line.partition(" {")[0] for line in lines[2:]] == [
        "  another process read: STARTED",
        "  the store holds: STARTED",
    ]


@pytest.mark.backends("redis")
@pytest.mark.celery(result_serializer="pickle", result_accept_content=["pickle"])
def test_a_process_that_cannot_read_at_all(
    result_backend: ResultBackend, result_worker: ResultWorker, result_app: Any
) -> None:
    @result_worker.task
    def give() -> Any:
        return OutOfStock

    result = give.delay()
    result_backend.wait_for(result, "SUCCESS")
    result_app.conf.result_accept_content = ["json"]
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_same_everywhere(result)
    lines = said(caught, result_backend, result).splitlines()
    assert lines[2].startswith("  another process read: nothing: kombu.exceptions.ContentDisallowed")


@pytest.mark.backends("memory", "rpc-memory")
def test_a_backend_that_no_other_process_can_read(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(Unsupported) as caught:
        result_backend.assert_same_everywhere(result)
    result_backend._lease.lacks.clear()  # else this test would be unsupported
    reason = {
        "memory": "results are in the memory of one process",
        "rpc-memory": "only the app that sent a task has the queue with its result",
    }[result_backend.name]
    assert str(caught.value) == (
        f"assert_same_everywhere() is not possible on {result_backend.name}: {reason}\n"
        '  type: @pytest.mark.backend_requires("any-reader")'
    )
