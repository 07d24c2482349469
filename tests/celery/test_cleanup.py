"""What cleanup and forgetting leave, and what a test leaves behind."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, chain, group
from celery.exceptions import Ignore
from celery.schedules import crontab
from messages import said

from pytest_celery_backends import ResultBackend, ResultWorker, WaitTimeout, beat_schedule_has_cleanup

HOUR = 3600
SWEPT = ("postgres", "sqlite", "filesystem", "mysql", "mariadb", "mongodb", "django-db")
KEPT = ("redis", *SWEPT, "memory")

pytestmark = pytest.mark.celery(result_expires=HOUR)


def on(names: tuple[str, ...], wrong: str) -> pytest.MarkDecorator:
    """Run on the broken kind of each backend."""
    return pytest.mark.backends(*(f"{name}-{wrong}" for name in names))


def done(add: Any, result_backend: ResultBackend) -> Any:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    return result


@pytest.mark.backends("memory", "rpc-memory", "rpc")
def test_cleanup_leaves_nothing_of_its_own(result_backend: ResultBackend) -> None:
    result_backend.run_cleanup()
    result_backend.assert_no_leftovers()


@on(("filesystem",), "cleanup-fails")
def test_a_cleanup_that_fails(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.run_cleanup()
    assert said(caught, result_backend) == (
        "celery.backend_cleanup failed on <backend>\n  observed: FAILURE: OSError('no directory')"
    )


@pytest.mark.backends("memory")
def test_a_cleanup_that_does_not_end(result_backend: ResultBackend, result_worker: ResultWorker) -> None:
    may_end = threading.Event()

    @result_worker.task(name="held")
    def held() -> bool:
        return may_end.wait(5)

    held.delay()
    with pytest.raises(WaitTimeout) as caught:
        result_backend.run_cleanup(timeout=0.05)
    may_end.set()
    assert said(caught, result_backend) == (
        "celery.backend_cleanup on <backend> was not done within 0.05 s\n"
        "  observed: nothing was stored\n"
        "  type: result_backend.run_cleanup(timeout=0.1)"
    )


@on(("postgres", "sqlite", "filesystem"), "never-cleans")
def test_what_cleanup_should_have_removed(add: Any, result_backend: ResultBackend) -> None:
    old = done(add, result_backend)
    result_backend.advance(2 * HOUR)
    result_backend.run_cleanup()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_cleaned_up(expired=[old])
    assert said(caught, result_backend, old) == (
        "1 of these results on <backend> are not where they should be\n  not removed: task <id> by add"
    )


@on(("postgres", "sqlite", "filesystem"), "cleans-everything")
def test_what_cleanup_should_have_kept(add: Any, result_backend: ResultBackend) -> None:
    young = done(add, result_backend)
    result_backend.run_cleanup()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_cleaned_up(kept=[young])
    assert said(caught, result_backend, young) == (
        "1 of these results on <backend> are not where they should be\n  not kept: task <id> by add"
    )


@pytest.mark.backends("memory")
@pytest.mark.parametrize(
    "ask",
    [
        lambda backend: backend.assert_cleaned_up(expired=["00000000-nothing"]),
        lambda backend: backend.assert_forgotten("00000000-nothing"),
    ],
    ids=["cleaned up", "forgotten"],
)
def test_what_was_never_there_is_not_gone(result_backend: ResultBackend, ask: Any) -> None:
    with pytest.raises(AssertionError) as caught:
        ask(result_backend)
    first, second = said(caught, result_backend).splitlines()
    assert first.startswith("task 00000000 on <backend> was never stored in this test, so nothing can be ")
    assert second == "  sent: no such task"


@pytest.mark.backends("memory")
def test_no_results_are_no_question(result_backend: ResultBackend) -> None:
    with pytest.raises(ValueError, match=r"type: assert_cleaned_up\(expired=\[result\]\)"):
        result_backend.assert_cleaned_up()


@pytest.mark.backends(*KEPT)
def test_a_group_is_forgotten_with_its_members(add: Any, result_backend: ResultBackend) -> None:
    result = group(add.s(n, n) for n in range(3))()
    assert result.get(timeout=5) == [0, 2, 4]
    result.save()
    result.forget()
    with pytest.raises(AssertionError, match="was not forgotten\n  still stored: group "):
        result_backend.assert_forgotten(result)  # the group's own record has to be deleted apart
    result.delete()
    result_backend.assert_forgotten(result)
    result_backend.assert_no_leftovers()


@on(("redis", "postgres", "sqlite", "filesystem", "memory"), "keeps-forgotten")
def test_steps_that_were_not_forgotten(add: Any, result_backend: ResultBackend) -> None:
    result = chain(add.s(1, 1), add.s(1))()
    assert result.get(timeout=5) == 3
    result.forget()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_forgotten(result)
    lines = said(caught, result_backend, result, result.parent).splitlines()
    assert lines[0] == "<task> on <backend> was not forgotten"
    assert sorted(re.sub(r"\(.*", "", line) for line in lines[1:]) == [
        "  still stored: task <id 1> SUCCESS ",
        "  still stored: task <id> SUCCESS ",
    ]


# -- leftovers


@pytest.mark.backends("redis")
def test_a_client_that_waits_no_more_and_listens_still(add: Any, result_backend: ResultBackend) -> None:
    result = add.apply_async((1, 1), countdown=0)
    result_backend.wait_for(result, "SUCCESS")
    result_backend.client.delete(*[one.key for one in result_backend.stored()])
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_no_leftovers()
    text = said(caught, result_backend, result)
    assert re.sub(r"pcb\w+:_?", "", text) == (
        "1 leftover on <backend>: 1 subscription\n  left: subscription celery-task-meta-<id> by add"
    )
    result_backend.assert_no_leftovers(ignore=["subscription"])
    result.forget()
    result_backend.assert_no_leftovers()


@pytest.mark.backends("rpc", "rpc-memory")
@pytest.mark.celery(result_expires=None)
def test_a_reply_queue_that_nobody_reads_and_that_stays(
    result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    @result_worker.task(name="quiet", ignore_result=False)
    def quiet() -> None:
        raise Ignore

    quiet.delay()
    result_worker.drain()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_no_leftovers()
    text = re.sub(r"queue [\w-]+$", "queue <id>", said(caught, result_backend))
    assert text == "1 leftover on <backend>: 1 queue\n  left: queue <id>"
    result_backend.assert_no_leftovers(ignore=["queue"])


@pytest.mark.backends("sqlite")
def test_a_table_that_a_test_made(result_backend: ResultBackend) -> None:
    result_backend.client.execute("CREATE TABLE invoices (id INTEGER)")
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_no_leftovers()
    result_backend.client.execute("DROP TABLE invoices")
    assert said(caught, result_backend) == "1 leftover on <backend>: 1 table\n  left: table invoices"
    result_backend.assert_no_leftovers()


@pytest.mark.backends("memory")
def test_a_thread_that_a_test_started(result_backend: ResultBackend) -> None:
    may_end = threading.Event()
    thread = threading.Thread(target=may_end.wait, name="poller", daemon=False)
    thread.start()
    try:
        with pytest.raises(AssertionError) as caught:
            result_backend.assert_no_leftovers()
    finally:
        may_end.set()
        thread.join(5)
    assert said(caught, result_backend) == (
        "1 leftover on <backend>: 1 thread\n  left: thread 'poller', which Python waits for at its end"
    )
    result_backend.assert_no_leftovers()


@pytest.fixture
def opened(result_backend: ResultBackend) -> Iterator[list[socket.socket]]:
    """More connections to the server than any backend needs."""
    where = re.search(r"@?([\w.]+):(\d+)", result_backend.service.url.rpartition("@")[2])
    assert where is not None
    opened = [socket.create_connection((where[1], int(where[2])), timeout=5) for _ in range(25)]
    yield opened
    for each in opened:
        each.close()


@pytest.mark.backends("redis", "postgres", "mariadb", "memcached", "mongodb")
@pytest.mark.skipif(not hasattr(socket, "AF_PACKET"), reason="only Linux tells of a process's connections")
def test_connections_that_a_test_opened(
    add: Any, result_backend: ResultBackend, opened: list[socket.socket]
) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_no_leftovers()
    ours = "|".join(str(each.getsockname()[1]) for each in opened)  # ten of all are shown
    line = rf"^  left: connection [\d.]+:({ours}) -> [\d.]+:\d+; \d backend objects need \d+ at most$"
    assert re.search(line, said(caught, result_backend), re.MULTILINE)


@pytest.mark.backends("redis", "postgres", "mariadb", "memcached", "mongodb", "rpc", "rpc-memory", "memory")
def test_connections_that_celery_keeps_are_no_leftovers(add: Any, result_backend: ResultBackend) -> None:
    for _ in range(20):
        result = add.delay(1, 1)
        assert result.get(timeout=5) == 2
        if result_backend.supports("forget"):
            result.forget()
    result_backend.assert_no_leftovers()


@pytest.mark.backends("rpc-memory", "memory")
def test_a_message_that_is_acknowledged_in_the_next_round_is_no_leftover(
    add: Any, result_backend: ResultBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = result_backend._lease.worker
    assert worker is not None
    next_round = worker.consumer.perform_pending_operations

    def late() -> None:
        threading.Event().wait(0.05)
        next_round()

    monkeypatch.setattr(worker.consumer, "perform_pending_operations", late)
    assert add.delay(1, 1).get(timeout=5) == 2
    result_backend.assert_no_leftovers(ignore=["task"])


# -- beat


def app_with(**settings: Any) -> Celery:
    app = Celery("shop", set_as_current=False)
    app.conf.update(settings)
    return app


def test_beat_cleans_up_at_four_unless_told_otherwise(tmp_path: Any) -> None:
    found = beat_schedule_has_cleanup(app_with(result_backend=f"db+sqlite:///{tmp_path}/results.db"))
    assert (bool(found), found.when, found.result_expires, found.reason) == (
        True,
        ("<crontab: 0 4 * * * (m/h/dM/MY/d)>",),
        86400.0,
        "",
    )


def test_beat_follows_the_schedule_of_the_app(tmp_path: Any) -> None:
    nightly = {"nightly": {"task": "celery.backend_cleanup", "schedule": crontab(minute=30, hour=2)}}
    app = app_with(result_backend="cache+memory://", beat_schedule=nightly, result_expires=HOUR)
    found = beat_schedule_has_cleanup(app)
    assert (found.when, found.result_expires) == (("<crontab: 30 2 * * * (m/h/dM/MY/d)>",), float(HOUR))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"result_expires": None}, "result_expires is None: results are to stay"),
        ({"result_backend": "cache+memory://"}, "CacheBackend says that results expire by themselves"),
        (
            {"beat_schedule": {"celery.backend_cleanup": {"task": "shop.close", "schedule": 60}}},
            "beat_schedule has 'celery.backend_cleanup' for another task",
        ),
    ],
    ids=["never", "by itself", "another"],
)
def test_beat_does_not_clean_up(settings: dict[str, Any], reason: str, tmp_path: Any) -> None:
    found = beat_schedule_has_cleanup(app_with(**{"result_backend": f"file://{tmp_path}", **settings}))
    assert (bool(found), found.when, found.reason) == (False, (), reason)


@pytest.mark.backends("sqlite")
def test_beat_of_the_app_in_a_test(result_app: Celery) -> None:
    assert beat_schedule_has_cleanup(result_app).result_expires == HOUR


@pytest.mark.backends("redis", "sqlite")
def test_a_saved_group_is_kept_with_its_own_record(add: Any, result_backend: ResultBackend) -> None:
    result = group(add.s(n, n) for n in range(2))()
    for member in result:
        result_backend.wait_for(member, "SUCCESS")
    result_backend.assert_cleaned_up(kept=[result])
    result.save()
    result_backend.assert_cleaned_up(kept=[result])
    result.delete()
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_cleaned_up(kept=[result])
    assert said(caught, result_backend, result).splitlines()[1].startswith("  not kept: ")


@pytest.mark.backends("memory")
def test_what_is_no_result_was_not_cleaned_up(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError, match="None is no result"):
        result_backend.assert_cleaned_up(expired=[None])
