"""Time that passes for what is stored, without anybody waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from celery import Celery, group, states
from celery.result import AsyncResult, GroupResult

from pytest_celery_backends import ResultBackend

EXPIRING = ("redis", "postgres", "sqlite", "filesystem")
DAY = 86400


@pytest.fixture
def state_of(result_app: Celery, result_backend: ResultBackend) -> Callable[[Any], str]:
    """What another client reads, once cleanup has run."""

    def read(result: Any) -> str:
        result_app.backend.cleanup()
        return str(AsyncResult(result.id, app=result_app).state)

    return read


@pytest.mark.backends(*EXPIRING)
@pytest.mark.celery(result_expires=DAY)
@pytest.mark.parametrize(
    "step", [DAY - 10, timedelta(days=1) - timedelta(seconds=10)], ids=["seconds", "timedelta"]
)
def test_a_result_goes_after_its_day(
    add: Any, result_backend: ResultBackend, state_of: Callable[[Any], str], step: Any
) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    result_backend.advance(step)
    assert state_of(result) == states.SUCCESS
    result_backend.advance(20)
    assert state_of(result) == states.PENDING


@pytest.mark.backends(*EXPIRING)
@pytest.mark.celery(result_expires=DAY)
def test_groups_grow_old_too(add: Any, result_backend: ResultBackend, result_app: Celery) -> None:
    """Up to Celery 5.6.2 a group in a database is as old as the import of its model (celery#10106)."""
    result = group(add.s(n, n) for n in range(2))()
    assert result.get(timeout=5) == [0, 2]
    result.save()
    result_backend.advance(DAY / 2)
    result_app.backend.cleanup()
    assert GroupResult.restore(result.id, app=result_app) is not None
    result_backend.advance(DAY / 2 + 20)
    result_app.backend.cleanup()
    assert [one for one in result_backend.stored() if one.kind in ("group", "task")] == []


@pytest.mark.backends("redis")
@pytest.mark.celery(result_expires=DAY)
def test_a_key_without_end_stays(add: Any, result_backend: ResultBackend) -> None:
    assert add.delay(1, 1).get(timeout=5) == 2
    (stored,) = result_backend.stored()
    result_backend.client.set(f"{stored.key.partition(':')[0]}:for-ever", "x")
    result_backend.advance(10 * DAY)
    left = [one.key.partition(":")[2] for one in result_backend.stored()]
    assert left == ["for-ever"]


@pytest.mark.backends("memory", "rpc-memory")
@pytest.mark.celery(result_expires=DAY)
def test_a_result_that_never_expires_is_as_old_as_you_like(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    result_backend.advance(1000 * DAY)
    assert result.get(timeout=5) == 2


@pytest.mark.backends("redis-never-expires")
@pytest.mark.celery(result_expires=DAY)
def test_a_backend_that_never_expires_is_found_out(
    add: Any, result_backend: ResultBackend, state_of: Callable[[Any], str]
) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    result_backend.advance(2 * DAY)
    assert state_of(result) == states.SUCCESS


@pytest.mark.backends(*EXPIRING)
@pytest.mark.celery(result_expires=DAY)
def test_no_clock_is_moved(add: Any, result_backend: ResultBackend) -> None:
    add.delay(1, 1).get(timeout=5)
    before = (time.time(), time.monotonic(), datetime.now(timezone.utc))
    result_backend.advance(30 * DAY)
    after = (time.time(), time.monotonic(), datetime.now(timezone.utc))
    assert after[0] - before[0] < 60
    assert after[1] - before[1] < 60
    assert after[2] - before[2] < timedelta(minutes=1)


def with_time_machine(moment: datetime) -> Any:
    time_machine = pytest.importorskip("time_machine")
    return time_machine.travel(moment, tick=True)


def with_freezegun(moment: datetime) -> Any:
    freezegun = pytest.importorskip("freezegun")
    return freezegun.freeze_time(moment, tick=True)


@pytest.mark.backends(*EXPIRING)
@pytest.mark.celery(result_expires=DAY)
@pytest.mark.parametrize("travel", [with_time_machine, with_freezegun])
def test_it_works_where_a_test_has_its_own_clock(
    add: Any, result_backend: ResultBackend, state_of: Callable[[Any], str], travel: Callable[[datetime], Any]
) -> None:
    """A database's dates come from that clock; a server's times to live do not."""
    with travel(datetime(2031, 5, 17, 12, tzinfo=timezone.utc)):
        result = add.delay(1, 1)
        result_backend.wait_for(result, "SUCCESS")
        result_backend.advance(DAY - 60)
        # files are dated by the system, which no such library moves: there they are old already
        if result_backend.name != "filesystem":
            assert state_of(result) == states.SUCCESS
        result_backend.advance(120)
        assert state_of(result) == states.PENDING


@pytest.mark.backends("memory")
def test_a_real_wait_is_a_wait(result_backend: ResultBackend) -> None:
    before = time.monotonic()
    result_backend.advance(0.05, really=True)
    assert time.monotonic() - before >= 0.05


@pytest.mark.backends("memory")
@pytest.mark.parametrize(
    ("period", "message"),
    [
        (-5, "advance(-5): time passes in one direction; type: advance(5)"),
        (float("nan"), "advance(nan): no period of time; type: advance(3600) or advance(timedelta(hours=1))"),
        ("1h", "advance('1h'): no period of time; type: advance(3600) or advance(timedelta(hours=1))"),
        (True, "advance(True): no period of time; type: advance(3600) or advance(timedelta(hours=1))"),
        (1e12, "advance(1000000000000.0): more than a century; type: advance(86400)  # seconds, a day"),
    ],
)
def test_what_is_no_period_is_refused(result_backend: ResultBackend, period: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        result_backend.advance(period)
    assert str(caught.value) == message


@pytest.mark.backends("memory")
def test_a_long_real_wait_is_refused(result_backend: ResultBackend) -> None:
    from pytest_celery_backends import WaitTimeout

    with pytest.raises(WaitTimeout) as caught:
        result_backend.advance(3600, really=True)
    assert str(caught.value).splitlines() == [
        "advance(3600, really=True) would wait for 3600 s on memory",
        "  the longest wait is 30 s",
        "  type: @pytest.mark.celery(result_expires=1)  # and advance(2, really=True)",
    ]
