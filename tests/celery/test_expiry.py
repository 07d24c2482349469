"""What is said of when a result goes; that it goes is tested with ``tests/backends/test_expiry.py``."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from celery import chord
from messages import said

from pytest_celery_backends import ResultBackend, ResultWorker
from pytest_celery_backends.errors import Unsupported

HOUR = 3600
EXPIRING = ("redis", "postgres", "sqlite", "filesystem")


@pytest.fixture
def stored(add: Any, result_backend: ResultBackend) -> Any:
    """A result that is stored."""
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    return result


@pytest.mark.backends(*EXPIRING)
@pytest.mark.celery(result_expires=HOUR)
def test_an_assertion_waits_for_a_task_that_is_on_its_way(add: Any, result_backend: ResultBackend) -> None:
    result_backend.assert_expires(add.delay(1, 1), after=HOUR)


@pytest.mark.backends("redis", "memcached")
@pytest.mark.celery(result_expires=HOUR)
def test_the_counters_of_a_chord_go_in_their_own_time(
    result_worker: ResultWorker, result_backend: ResultBackend
) -> None:
    may_end = threading.Event()

    @result_worker.task(name="held")
    def held(n: int) -> int:
        return n if n == 0 or may_end.wait(5) else -1

    @result_worker.task(name="total")
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    body = chord([held.s(0), held.s(1)])(total.s())
    result_backend.wait_for(body.parent.results[0], "SUCCESS")
    counters = [one for one in result_backend.stored() if one.kind == "chord"]
    assert counters
    for counter in counters:
        result_backend.assert_expires(counter, after=result_backend.expires_in(counter) or 0)
    may_end.set()
    assert body.get(timeout=5) == 1


@pytest.mark.backends("postgres", "sqlite")
@pytest.mark.celery(result_expires=0)
def test_nought_is_at_once_in_a_database_that_is_cleaned_up(
    stored: Any, result_backend: ResultBackend
) -> None:
    """``celery.backend_cleanup`` removes every row then, though beat would not send it."""
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_never_expires(stored)
    assert said(caught, result_backend, stored) == (
        "task <task> on <backend> goes\n  observed: removed by celery.backend_cleanup within 40 years"
    )


@pytest.mark.backends("postgres", "sqlite")
@pytest.mark.celery(result_expires=0)
def test_what_goes_at_once_is_kept_at_no_age(stored: Any, result_backend: ResultBackend) -> None:
    result_backend.assert_expires(stored, after=0)


@pytest.mark.backends(*EXPIRING)
@pytest.mark.celery(result_expires=HOUR)
def test_what_goes_does_not_stay(stored: Any, result_backend: ResultBackend) -> None:
    with pytest.raises(
        AssertionError, match="goes\n  observed: (3[56]\\d\\d.* s left to live|removed by celery)"
    ):
        result_backend.assert_never_expires(stored)


@pytest.mark.backends("redis-never-expires")
@pytest.mark.celery(result_expires=HOUR)
def test_what_outlives_its_time_is_listed(stored: Any, result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_nothing_outlives(timedelta(hours=1))
    first, row = said(caught, result_backend, stored).splitlines()
    assert first == "1 entry outlives 3600 s on <backend>"
    assert row.startswith("  never goes: task <id> SUCCESS (")
    result_backend.assert_nothing_outlives(HOUR, ignore=["task"])


@pytest.mark.backends(*EXPIRING)
@pytest.mark.celery(result_expires=2 * HOUR)
def test_what_goes_too_late_is_listed(stored: Any, result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError, match=r"1 entry outlives 3600 s on .*\n  goes in 7[12]\d\d s: task "):
        result_backend.assert_nothing_outlives(HOUR)


@pytest.mark.backends("rpc-memory", "rpc")
@pytest.mark.celery(result_expires=HOUR)
def test_a_message_goes_with_its_queue(stored: Any, result_backend: ResultBackend) -> None:
    result_backend.assert_nothing_outlives(HOUR)
    if result_backend.stored():  # a broker may have sent it to the client that listens
        result_backend.assert_expires(stored, after=HOUR)
        with pytest.raises(AssertionError) as caught:
            result_backend.assert_expires(stored, after=60)
        queue = result_backend.stored()[0].key
        assert said(caught, result_backend, stored).replace(queue, "<queue>") == (
            "task <task> on <backend> expires at another time\n"
            "  expected: 60 s for which its reply queue may be idle (x-expires)\n"
            "  observed: 3600 s for which reply queue <queue> may be idle"
        )
        with pytest.raises(AssertionError, match="goes\n  observed: 3600 s for which reply queue"):
            result_backend.assert_never_expires(stored)


@pytest.mark.backends("filesystem-cleanup-fails")
@pytest.mark.celery(result_expires=HOUR)
@pytest.mark.parametrize(
    ("ask", "stays"),
    [
        (lambda backend, result: backend.assert_expires(result, after=HOUR), "does not go"),
        (lambda backend, result: backend.assert_never_expires(result), "stays"),
    ],
    ids=["expires", "never"],
)
def test_a_cleanup_that_fails_is_told(
    stored: Any, result_backend: ResultBackend, ask: Any, stays: str
) -> None:
    with pytest.raises(AssertionError) as caught:
        ask(result_backend, stored)
    assert said(caught, result_backend, stored) == (
        f"task <task> on <backend> {stays}, for celery.backend_cleanup fails\n  observed: OSError: no directory"
    )


@pytest.mark.backends("memory")
def test_where_nothing_expires_an_assertion_is_unsupported(
    stored: Any, result_backend: ResultBackend
) -> None:
    with pytest.raises(Unsupported) as caught:
        result_backend.assert_nothing_outlives(HOUR)
    assert str(caught.value).splitlines() == [
        "assert_nothing_outlives(3600) is not possible on memory: cache+memory:// takes result_expires and never "
        "expires anything",
        '  type: @pytest.mark.backend_requires("expiry")',
    ]


@pytest.mark.backends("memory")
@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda backend: backend.assert_expires("t1", after=-1),
            "assert_expires(result, after=-1): time passes in one direction; type: "
            "assert_expires(result, after=1)",
        ),
        (
            lambda backend: backend.assert_nothing_outlives("1h"),
            "assert_nothing_outlives('1h'): no period of time; type: assert_nothing_outlives(3600) or "
            "assert_nothing_outlives(timedelta(hours=1))",
        ),
    ],
    ids=["negative", "text"],
)
def test_what_is_no_period_is_refused(result_backend: ResultBackend, ask: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        ask(result_backend)
    assert str(caught.value) == message
