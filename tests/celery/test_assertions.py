"""Every assertion fails on a backend that is broken in its way, with a message that says how."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from messages import said

from pytest_celery_backends import ResultBackend, ResultWorker, WaitTimeout
from pytest_celery_backends.errors import Unsupported

pytestmark = pytest.mark.celery(task_track_started=True, result_expires=3600)

KEPT = ("redis", "postgres", "sqlite", "filesystem", "memory")
SWEPT = ("postgres", "sqlite", "filesystem")


def on(names: tuple[str, ...], wrong: str) -> pytest.MarkDecorator:
    """Run on the broken kind of each backend."""
    return pytest.mark.backends(*(f"{name}-{wrong}" for name in names))


@on(KEPT, "drops-success")
def test_transitions_that_the_store_did_not_keep(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_transitions(result, "STARTED", "SUCCESS")
    assert said(caught, result_backend, result) == (
        "task <task> on <backend>: the store did not keep what it was given\n"
        "  worker stored: STARTED (_ ms) -> SUCCESS (_ ms)\n"
        "  store holds: STARTED"
    )


@pytest.mark.backends("redis", "postgres", "sqlite", "filesystem", "rpc-memory", "memory")
def test_transitions_that_did_not_come(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_transitions(result, "STARTED", "RETRY", "SUCCESS")
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> did not go through the expected states\n"
        "  expected: STARTED -> RETRY -> SUCCESS\n"
        "  observed: STARTED (_ ms) -> SUCCESS (_ ms)\n"
        "  first difference: RETRY never came"
    )


@pytest.mark.backends("redis", "postgres", "sqlite", "filesystem", "rpc-memory", "memory")
def test_transitions_under_a_serializer_that_the_test_sets_itself(
    add: Any, result_backend: ResultBackend, result_app: Any
) -> None:
    result_app.conf.update(result_serializer="pickle", result_accept_content=["pickle"])
    result_backend.assert_transitions(add.delay(1, 1), "STARTED", "SUCCESS")


@pytest.mark.backends("memory")
@pytest.mark.parametrize(
    ("expected", "difference"),
    [
        (("SUCCESS",), "STARTED came instead of SUCCESS"),
        (("STARTED",), "SUCCESS came on top"),
        (("STARTED", "SUCCESS", "SUCCESS"), "nothing came instead of SUCCESS"),
    ],
)
def test_where_transitions_part(
    add: Any, result_backend: ResultBackend, expected: tuple[str, ...], difference: str
) -> None:
    with pytest.raises(AssertionError, match=f"first difference: {difference}$"):
        result_backend.assert_transitions(add.delay(1, 1), *expected)


@pytest.mark.backends("memory")
def test_pending_may_be_written_and_is_never_stored(add: Any, result_backend: ResultBackend) -> None:
    result_backend.assert_transitions(add.delay(1, 1), "PENDING", "STARTED", "SUCCESS")


@pytest.mark.backends("memory")
def test_a_misspelt_state_gets_a_guess(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_transitions(result, "SUCESS")
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> did not go through the expected states\n"
        "  expected: SUCESS\n"
        "  observed: STARTED (_ ms) -> SUCCESS (_ ms)\n"
        "  first difference: SUCESS never came\n"
        "  looks wrong: no task stored 'SUCESS': did you mean 'SUCCESS'?"
    )


@on(KEPT, "drops-success")
def test_waiting_for_what_the_store_did_not_keep(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.wait_for(result, "SUCCESS")
    assert said(caught, result_backend, result) == (
        "task <task> on <backend>: the store did not keep what it was given\n"
        "  worker stored: STARTED (_ ms) -> SUCCESS (_ ms)\n"
        "  store holds: STARTED"
    )


@on(("rpc-memory",), "drops-success")
@pytest.mark.parametrize("how", ["assert_transitions", "wait_for"])
def test_a_message_that_was_never_sent(how: str, add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    states = {"wait_for": ("SUCCESS",), "assert_transitions": ("STARTED", "SUCCESS")}[how]
    with pytest.raises(AssertionError) as caught:
        getattr(result_backend, how)(result, *states)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend>: the store did not keep what it was given\n"
        "  worker stored: STARTED (_ ms) -> SUCCESS (_ ms)\n"
        "  broker was given: STARTED"
    )


NEVER_STARTED = {
    **dict.fromkeys(KEPT, "STARTED (_ ms, not kept){}\n  store held: nothing instead of STARTED"),
    "rpc-memory": "STARTED (_ ms){}\n  broker was given: {}",
}


@on((*KEPT, "rpc-memory"), "drops-started")
def test_waiting_for_a_state_on_the_way_that_was_not_kept(
    result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    may_end = threading.Event()

    @result_worker.task(name="held")
    def held() -> bool:
        return may_end.wait(5)

    result = held.delay()
    with pytest.raises(AssertionError) as caught:
        result_backend.wait_for(result, "STARTED")
    may_end.set()
    lost = NEVER_STARTED[result_backend.name.removesuffix("-drops-started")]
    assert said(caught, result_backend, result) == (
        "task <task> on <backend>: the store did not keep what it was given\n"
        f"  worker stored: {lost.format('', 'nothing')}"
    )


@on((*KEPT, "rpc-memory"), "drops-started")
def test_transitions_of_which_one_on_the_way_was_not_kept(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_transitions(result, "STARTED", "SUCCESS")
    lost = NEVER_STARTED[result_backend.name.removesuffix("-drops-started")]
    assert said(caught, result_backend, result) == (
        "task <task> on <backend>: the store did not keep what it was given\n"
        f"  worker stored: {lost.format(' -> SUCCESS (_ ms)', 'SUCCESS')}"
    )


@pytest.mark.backends("redis-skips-started")
@pytest.mark.parametrize("is_asked_before", [False, True])
def test_a_state_that_was_not_kept_whoever_looks_first(
    result_backend: ResultBackend, result_worker: ResultWorker, is_asked_before: bool
) -> None:
    """On redis the next store looks what is there, or the test does if it asks before that."""
    go_on = threading.Event()

    @result_worker.task(name="slow")
    def slow() -> None:
        assert go_on.wait(10)

    result = slow.delay()
    result_backend._lease.recorder.wait_until(
        lambda: bool(result_backend._lease.recorder.seen(result.id)), timeout=5
    )
    if is_asked_before:
        assert str(result_backend.timeline(result)).endswith(" ms, not kept)")
    go_on.set()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_transitions(result, "STARTED", "SUCCESS")
    assert said(caught, result_backend, result) == (
        "task <task> on <backend>: the store did not keep what it was given\n"
        "  worker stored: STARTED (_ ms, not kept) -> SUCCESS (_ ms)\n"
        "  store held: nothing instead of STARTED"
    )


@pytest.mark.backends("redis")
@pytest.mark.celery(task_track_started=True)
def test_a_task_on_redis_is_observed_without_a_question(
    result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    @result_worker.task(name="report", bind=True)
    def report(self: Any) -> None:
        self.update_state(state="PROGRESS", meta={"done": 1})

    def asked() -> int:
        return int(result_backend.client.info("commandstats").get("cmdstat_mget", {}).get("calls", 0))

    before = asked()
    result = report.delay()
    result_worker.drain()
    assert asked() == before
    result_backend.assert_transitions(result, "STARTED", "PROGRESS", "SUCCESS")


@pytest.mark.backends("redis", "postgres", "sqlite", "filesystem", "rpc-memory", "memory")
def test_waiting_ends_when_the_task_ends_otherwise(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    with pytest.raises(AssertionError) as caught:
        result_backend.wait_for(result, "FAILURE", timeout=60)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> ended without FAILURE\n  observed: STARTED (_ ms) -> SUCCESS (_ ms)"
    )


@pytest.mark.backends("memory")
def test_waiting_has_a_limit_and_says_what_was_waited_for(add: Any, result_backend: ResultBackend) -> None:
    result = add.apply_async((1, 1), countdown=30)
    with pytest.raises(WaitTimeout) as caught:
        result_backend.wait_for(result, "SUCCESS", timeout=0.05)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> was not SUCCESS within 0.05 s\n"
        "  observed: nothing was stored\n"
        "  not done in queues: celery\n"
        "  type: result_backend.wait_for(result, 'SUCCESS', timeout=0.1)"
    )


@on(("redis",), "never-expires")
def test_a_result_without_time_to_live(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_expires(result, after=3600)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> never expires\n  expected: a time to live of 3600 s\n  observed: none"
    )


@on(("redis",), "expires-early")
def test_a_result_that_goes_too_early(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_expires(result, after=3600)
    text = re.sub(r"3\d\d\.\d+ s", "_ s", said(caught, result_backend, result))
    assert text == (
        "task <task> on <backend> expires at another time\n"
        "  expected: a time to live of 3600 s (up to 5 s of it may have passed)\n"
        "  observed: _ s"
    )


@on(SWEPT, "never-cleans")
def test_a_cleanup_that_removes_nothing(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_expires(result, after=3600)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> does not go\n"
        "  expected: removed by celery.backend_cleanup when 3605 s old\n"
        "  observed: kept"
    )


@on(SWEPT, "cleans-everything")
def test_a_cleanup_that_removes_too_much(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_expires(result, after=3600)
    assert said(caught, result_backend, result) == (
        "task <task> on <backend> goes too early\n"
        "  expected: kept by celery.backend_cleanup when 3595 s old\n"
        "  observed: removed"
    )


@pytest.mark.backends("memory")
def test_a_backend_that_expires_nothing_says_why(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    with pytest.raises(Unsupported) as caught:
        result_backend.assert_expires(result, after=3600)
    assert str(caught.value).splitlines() == [
        "assert_expires(result, after=3600) is not possible on memory: cache+memory:// takes result_expires and "
        "never expires anything",
        '  type: @pytest.mark.backend_requires("expiry")',
    ]


@pytest.mark.backends("redis", "postgres", "sqlite", "filesystem")
def test_what_is_not_stored_cannot_expire(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_expires("00000000-nothing", after=3600)
    assert said(caught, result_backend) == (
        "task 00000000 on <backend> is not stored, so nothing can expire\n"
        "  expected: to go 3600 s after it was stored"
    )


@on(KEPT, "keeps-forgotten")
def test_a_result_that_is_not_forgotten(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    assert result.get(timeout=5) == 2
    result.forget()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_forgotten(result)
    first, left = said(caught, result_backend, result).splitlines()
    assert first == "<task> on <backend> was not forgotten"
    assert re.match(r"  still stored: task <id> SUCCESS \(\d+ bytes\) at .+", left)


@pytest.mark.backends("rpc-memory")
def test_a_message_that_nobody_took_is_not_forgotten(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    with pytest.raises(AssertionError, match="was not forgotten"):
        result_backend.assert_forgotten(result)


@on(KEPT, "keeps-forgotten")
def test_leftovers_are_listed(add: Any, result_backend: ResultBackend) -> None:
    result = add.delay(1, 1)
    assert result.get(timeout=5) == 2
    result.forget()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_no_leftovers()
    first, left = said(caught, result_backend, result).splitlines()
    assert first == "1 leftover on <backend>: 1 task"
    assert re.match(r"  left: task <id> SUCCESS \(\d+ bytes\) at .+ by add", left)
    result_backend.assert_no_leftovers(ignore=[result.id])


@pytest.mark.backends("memory")
def test_messages_that_nobody_consumed_are_leftovers(add: Any, result_backend: ResultBackend) -> None:
    add.apply_async((1, 1), countdown=30)
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_no_leftovers()
    assert (
        said(caught, result_backend)
        == "1 leftover on <backend>: 1 message\n  left: message in queue 'celery'"
    )


@on(KEPT, "drops-success")
def test_stored_shows_the_store_and_not_what_the_worker_meant(
    add: Any, result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    result = add.delay(1, 1)
    result_worker.drain()
    assert [(one.task_id, one.state) for one in result_backend.stored()] == [(result.id, "STARTED")]


@pytest.mark.filterwarnings("ignore:Exception raised outside body:RuntimeWarning")
@pytest.mark.backends("memory-refuses")
def test_the_timeline_shows_a_store_that_failed(
    add: Any, result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    result = add.delay(1, 1)
    result_worker.drain()
    text = re.sub(r"\d+\.\d+ ms", "_ ms", str(result_backend.timeline(result)))
    assert text.startswith("STARTED (_ ms) -> SUCCESS (_ ms, not stored: OSError('disk full'))")


@pytest.mark.backends("memory")
def test_a_round_trip_waits_for_the_tests_own_tasks(
    result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    @result_worker.task
    def leaf(n: int) -> int:
        return n

    @result_worker.task
    def tree() -> list[str]:
        return [leaf.delay(n).id for n in range(20)]

    result = tree.delay()
    for _ in range(3):
        result_backend.assert_round_trip(1)
    leaves = result.get(timeout=5)
    result_worker.drain()
    assert {result_backend.timeline(task_id).states[-1] for task_id in leaves} == {"SUCCESS"}


@pytest.mark.backends("memory")
@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            lambda backend: backend.supports("chord"),
            r"no capability is called 'chord'\n  known: expiry, .*chords",
        ),
        (
            lambda backend: backend.assert_round_trip(1, serializer="jsn"),
            r"no serializer is called 'jsn': did you mean 'json'\?\n  registered: .*json",
        ),
        (lambda backend: backend.assert_forgotten(None), r"None is no result\n  takes: an AsyncResult"),
    ],
    ids=["capability", "serializer", "result"],
)
def test_mistakes_are_told_in_words(mistake: Any, message: str, result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError, match=message):
        mistake(result_backend)


@pytest.mark.backends("redis")
def test_the_timeline_has_what_a_get_has_seen(add: Any, result_backend: ResultBackend) -> None:
    for _ in range(50):
        result = add.delay(1, 1)
        assert result.get(timeout=5) == 2
        assert result_backend.timeline(result).states == ["STARTED", "SUCCESS"]
