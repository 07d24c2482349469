"""How often what failed is tried again, and after how long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import Celery, states
from celery.exceptions import BackendGetMetaError, BackendStoreError

from .. import ResultBackend, check
from .concerned import REDIS, only_on, only_since
from .deaf_servers import hanging_up
from .redis_settings import by_name

#: A write is tried once for each try of Celery's.
NEVER_AGAIN = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}


@contextmanager
def unreachable(result_backend: ResultBackend, **settings: Any) -> Iterator[tuple[Celery, list[float]]]:
    """An app whose server hangs up at once, and what grows by one with each connection that it is asked for."""
    options = {**result_backend.settings["result_backend_transport_options"], "retry_policy": NEVER_AGAIN}
    only_since(5, 5)
    with hanging_up() as (host, port, calls):
        there = {"redis_host": host, "redis_port": port, "result_backend_transport_options": options}
        with by_name(result_backend, **there, **settings) as app:
            yield app, calls


def retried(times: int, base: int = 0, most: int = 0) -> dict[str, Any]:
    """The settings by which an operation is tried again, with milliseconds in between."""
    return {
        "result_backend_always_retry": True,
        "result_backend_max_retries": times,
        "result_backend_base_sleep_between_retries_ms": base,
        "result_backend_max_sleep_between_retries_ms": most,
    }


def seconds_of(call: Callable[[], Any]) -> float:
    """How long it takes until reading is given up."""
    began = time.monotonic()
    with pytest.raises(BackendGetMetaError):
        call()
    return time.monotonic() - began


class TestRetries:
    """userguide/configuration: https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-backend-always-retry."""

    @pytest.fixture(autouse=True)
    def _concerned(self, result_app: Celery) -> None:
        only_on(result_app, REDIS)

    @check("core")
    def test_without_result_backend_always_retry_nothing_is_tried_again(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_backend_always_retry: "Default: False"."""
        from redis.exceptions import ConnectionError as Lost

        with unreachable(result_backend) as (app, calls):
            with pytest.raises(Lost):
                app.backend.get_task_meta("conformance-unreachable")
            assert len(calls) == 1

    @check("core")
    def test_reading_is_tried_again_as_often_as_result_backend_max_retries_says(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_backend_max_retries: "the maximum of retries in case of recoverable
        exceptions"."""
        with unreachable(result_backend, **retried(3)) as (app, calls):
            with pytest.raises(BackendGetMetaError):
                app.backend.get_task_meta("conformance-unreachable")
            assert len(calls) == 4

    @check("core")
    def test_storing_is_tried_again_as_often_as_result_backend_max_retries_says(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_backend_max_retries: "the maximum of retries in case of recoverable
        exceptions"."""
        with unreachable(result_backend, **retried(2)) as (app, calls):
            with pytest.raises(BackendStoreError):
                app.backend.store_result("conformance-unreachable", "lost", states.SUCCESS)
            assert len(calls) == 3

    @check("core")
    def test_the_time_between_two_tries_grows_from_the_base_that_is_set(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_backend_base_sleep_between_retries_ms: "the base amount of sleep time between
        two backend operation retries"; of nothing, nothing grows."""
        with unreachable(result_backend, **retried(6, base=0, most=60_000)) as (app, _):
            assert seconds_of(lambda: app.backend.get_task_meta("conformance-unreachable")) < 1

    @check("core")
    def test_the_time_between_two_tries_is_never_above_the_maximum_that_is_set(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_backend_max_sleep_between_retries_ms: "the maximum sleep time between two
        backend operation retries"."""
        with unreachable(result_backend, **retried(6, base=60_000, most=1)) as (app, _):
            assert seconds_of(lambda: app.backend.get_task_meta("conformance-unreachable")) < 1
