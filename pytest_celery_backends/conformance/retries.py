"""How often what failed is tried again, and after how long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import Celery, states
from celery.exceptions import BackendGetMetaError, BackendStoreError

from .. import ResultBackend, check
from .concerned import REDIS, only_on, only_since
from .deaf_servers import Calls, hanging_up
from .redis_settings import by_name

#: A write is tried once for each try of Celery's.
NEVER_AGAIN = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}


@contextmanager
def unreachable(result_backend: ResultBackend, **settings: Any) -> Iterator[tuple[Celery, Calls]]:
    """An app whose server hangs up at once, and the count of the connections that it was asked for."""
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


def slept(result_backend: ResultBackend, **settings: Any) -> list[float]:
    """The milliseconds between the tries of one reading that is given up; Celery draws each of them by lot."""
    amounts: list[float] = []
    with unreachable(result_backend, **settings) as (app, _):
        backend = app.backend
        sleep = backend._sleep

        def sleep_and_note(amount: float) -> None:
            amounts.append(amount * 1000)
            sleep(amount)

        backend._sleep = sleep_and_note
        with pytest.raises(BackendGetMetaError):
            backend.get_task_meta("conformance-unreachable")
    return amounts


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
            assert calls.count == 1

    @check("core")
    def test_reading_is_tried_again_as_often_as_result_backend_max_retries_says(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_backend_max_retries: "the maximum of retries in case of recoverable
        exceptions"."""
        with unreachable(result_backend, **retried(3)) as (app, calls):
            with pytest.raises(BackendGetMetaError):
                app.backend.get_task_meta("conformance-unreachable")
            assert calls.count == 4

    @check("core")
    def test_storing_is_tried_again_as_often_as_result_backend_max_retries_says(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_backend_max_retries: "the maximum of retries in case of recoverable
        exceptions"."""
        with unreachable(result_backend, **retried(2)) as (app, calls):
            with pytest.raises(BackendStoreError):
                app.backend.store_result("conformance-unreachable", "lost", states.SUCCESS)
            assert calls.count == 3

    @check("core")
    def test_the_time_between_two_tries_grows_from_the_base_that_is_set(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_backend_base_sleep_between_retries_ms: "the base amount of sleep time"; of
        nothing, nothing grows."""
        assert slept(result_backend, **retried(6, base=0, most=60_000)) == [0] * 6
        amounts = slept(result_backend, **retried(6, base=3, most=60_000))
        assert [each for number, each in enumerate(amounts, 1) if each > 3 * 2**number] == [], amounts
        assert max(amounts) > 3, amounts

    @check("core")
    def test_the_time_between_two_tries_is_never_above_the_maximum_that_is_set(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_backend_max_sleep_between_retries_ms: "the maximum sleep time"."""
        amounts = slept(result_backend, **retried(3, base=60_000, most=1))
        assert (len(amounts), [each for each in amounts if each > 1]) == (3, []), amounts
