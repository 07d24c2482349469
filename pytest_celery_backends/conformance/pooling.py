"""How many connections reading and storing takes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from celery import Celery, group, states
from celery.result import AsyncResult

from .. import ResultBackend, ResultWorker, check, except_on, no
from .concerned import DATABASE, REDIS, only_on, only_since, unsupported
from .concurrency import at_once
from .limits import LIMIT
from .second_app import second_app
from .stored import last_state_of
from .tasks import CheckTasks

#: celery/backends/consul.py; ``one_client=1`` in the URL of the backend is otherwise.
EACH_CALL = no("Celery makes a client of Consul for each call, where its URL does not ask for one")
EACH_ANSWER = no("Moto, which answers here, ends a connection with each answer")


class TestPooling:
    """userguide/configuration: https://docs.celeryq.dev/en/stable/userguide/configuration.html#redis-max-connections."""

    @except_on("consul", verdict=EACH_CALL)
    @except_on("dynamodb", "s3", verdict=EACH_ANSWER)
    @check("reread")
    def test_reading_again_and_again_opens_no_connection(
        self, check_done: AsyncResult, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/tasks, Result Backends: "Backends use resources to store and transmit results"."""
        assert AsyncResult(check_done.id, app=result_app).get(timeout=LIMIT) == 4
        with result_backend.assert_max_connections(0):
            for _ in range(20):
                assert AsyncResult(check_done.id, app=result_app).state == states.SUCCESS

    @except_on("consul", verdict=EACH_CALL)
    @except_on("dynamodb", "s3", verdict=EACH_ANSWER)
    @check("core")
    def test_storing_again_and_again_opens_no_connection(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """userguide/tasks, Result Backends: "Backends use resources to store and transmit results"."""
        check_tasks.double.delay(1)
        result_worker.drain()
        with result_backend.assert_max_connections(0):
            for number in range(10):
                check_tasks.double.apply_async((number,))
                result_worker.drain()

    @except_on("consul", verdict=EACH_CALL)
    @except_on("dynamodb", "s3", verdict=EACH_ANSWER)
    @check("core")
    def test_waiting_for_twenty_results_takes_no_twenty_connections(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """celery.result.ResultSet.get: results are awaited together."""
        with result_backend.assert_max_connections(6):
            result = group(check_tasks.double.s(number) for number in range(20))()
            assert result.get(timeout=LIMIT) == [2 * number for number in range(20)]

    @except_on("consul", verdict=EACH_CALL)
    @check("reread")
    def test_eight_threads_take_no_more_than_two_connections_each(
        self, check_done: AsyncResult, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, result_backend_thread_safe: a thread has a backend of its own."""

        def read() -> list[int]:
            return [AsyncResult(check_done.id, app=result_app).result for _ in range(5)]

        with result_backend.commands() as commands, nothing_collected():
            assert at_once([read] * 8) == [[4] * 5] * 8
            found = [each for each in commands.connections if each.is_open]
        assert len(found) <= 16

    @check("core")
    def test_an_error_gives_its_connection_back(
        self, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, redis_max_connections: "Maximum number of connections available in the Redis
        connection pool"."""
        only_on(result_app, REDIS)
        from redis.exceptions import ResponseError

        with second_app(result_backend, redis_max_connections=1) as app:
            key = app.backend.get_key_for_task("conformance-list")
            app.backend.client.rpush(key, "no result")
            for _ in range(5):
                with pytest.raises(ResponseError, match="WRONGTYPE"):
                    app.backend.get_state("conformance-list")
            assert app.backend.get_state("conformance-unknown") == states.PENDING

    @check("core")
    @pytest.mark.celery(database_engine_options={"pool_size": 1})
    def test_a_pool_of_one_connection_is_enough_for_a_process(
        self, check_done: AsyncResult, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, database_engine_options: "pool_size" and the like go to a worker process's pool."""
        only_on(result_app, DATABASE)
        only_since(5, 5)
        assert result_app.backend.get_state(check_done.id) == states.SUCCESS
        (engine,) = result_app.backend.session_manager._engines.values()
        if type(engine.pool).__name__ != "QueuePool":
            unsupported("the driver's pool takes no size")
        assert (engine.pool.size(), engine.pool.checkedout()) == (1, 0)
        for _ in range(10):
            assert result_app.backend.get_task_meta(check_done.id, cache=False)["result"] == 4
        assert engine.pool.checkedin() == 1
        assert last_state_of(result_backend, check_done) == states.SUCCESS


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Have a connection that nobody closes stay open: the garbage collector would close it at some time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
