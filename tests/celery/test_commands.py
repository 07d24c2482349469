"""Round trips and connections: what is counted, what is not, and how it is told."""

from __future__ import annotations

import re
import threading
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, group
from celery.exceptions import TimeoutError as GaveUp

from pytest_celery_backends import ResultBackend, ResultWorker
from pytest_celery_backends.commands import Commands

SIX = ("redis", "postgres", "sqlite", "filesystem", "rpc-memory", "memory")
#: What reading one result costs, by backend.
READS = {
    "redis": ["GET celery-task-meta-<id>"],
    "postgres": ["SELECT celery_taskmeta.id"],
    "sqlite": ["SELECT celery_taskmeta.id"],
    "filesystem": ["get celery-task-meta-<id>"],
    "memory": ["get celery-task-meta-<id>"],
    "rpc-memory": [],  # it came already
}


def plain(texts: list[str]) -> list[str]:
    """Commands without what differs from run to run, and statements down to their first column."""
    named = (re.sub(r"pcb_\w+:_?", "", text).partition(" AS ")[0] for text in texts)
    return [re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<id>", text) for text in named]


def told(caught: pytest.ExceptionInfo[BaseException], backend: ResultBackend) -> list[str]:
    """The lines of a message, with what differs from run to run named."""
    text = str(caught.value).replace(str(backend._subject), "<backend>")
    return plain([re.sub(r"\d+\.\d+ ms", "_ ms", line) for line in text.splitlines()])


def kinds(commands: Commands) -> dict[str, int]:
    """How many commands of each kind there were."""
    return dict(Counter(text.split()[0] for text in commands.texts))


def read(app: Celery, task_id: str, times: int = 1) -> None:
    """Read a result from the store, whatever is known of it already."""
    for _ in range(times):
        app.backend.get_task_meta(task_id, cache=False)


@pytest.fixture
def ended(add: Any, result_backend: ResultBackend, result_worker: ResultWorker) -> Any:
    """A result that is stored, and that this process has read: its connections are open."""
    result = add.delay(1, 1)
    result.get(timeout=5)
    result_worker.drain()
    return result


@pytest.mark.backends(*SIX)
def test_what_reading_a_result_costs(ended: Any, result_backend: ResultBackend, result_app: Celery) -> None:
    with result_backend.commands() as commands:
        read(result_app, ended.id) if READS[result_backend.name] else None
    assert plain(commands.texts) == READS[result_backend.name]
    assert {command.thread for command in commands} <= {"MainThread"}
    # SQLAlchemy opens a file of SQLite for each operation up to 1.4, and keeps it open since 2.0.
    is_reopened = result_backend.name == "sqlite" and version("sqlalchemy") < "2"
    assert len(commands.connections) == int(is_reopened)


@pytest.mark.backends("redis")
def test_a_group_is_read_at_once_on_redis(
    add: Any, ended: Any, result_backend: ResultBackend, result_worker: ResultWorker, result_app: Celery
) -> None:
    members = group(add.s(n, n) for n in range(100))()
    result_worker.drain()
    with result_backend.commands() as commands:
        assert members.get(timeout=5) == [2 * n for n in range(100)]
    found = kinds(commands)
    assert found.pop("UNSUBSCRIBE") >= 100  # twice as many up to Celery 5.6
    assert found == {"MGET": 1}


@pytest.mark.backends("postgres", "sqlite")
def test_a_group_is_read_one_by_one_in_databases(
    add: Any, ended: Any, result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    members = group(add.s(n, n) for n in range(100))()
    result_worker.drain()
    with result_backend.commands() as commands:
        assert members.get(timeout=5) == [2 * n for n in range(100)]
    assert kinds(commands) == {"SELECT": 100}


@pytest.mark.backends("redis")
def test_a_pipeline_is_one_round_trip(ended: Any, result_backend: ResultBackend, result_app: Celery) -> None:
    with result_backend.commands() as commands:
        result_app.backend.store_result("t1", 4, "SUCCESS")
    words = [text.split()[0::1] for text in commands.texts]
    assert [each[0] for each in words] == ["GET", "MULTI;"]
    assert re.findall(r"[A-Z]{3,}", commands.texts[1]) == ["MULTI", "SETEX", "PUBLISH", "EXEC"]


@pytest.mark.backends(*SIX)
def test_what_our_own_assertions_read_is_not_counted(ended: Any, result_backend: ResultBackend) -> None:
    with result_backend.commands() as commands:
        result_backend.stored()
        result_backend.assert_transitions(ended, "SUCCESS")
    assert commands.texts == []
    assert repr(commands) == f"<0 round trips to {result_backend._subject}>"


@pytest.mark.backends("sqlite")
def test_other_databases_are_not_counted(ended: Any, result_backend: ResultBackend, tmp_path: Path) -> None:
    from sqlalchemy import create_engine, text

    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    with result_backend.assert_max_commands(0), result_backend.assert_max_connections(0):
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        engine.dispose()


@pytest.mark.backends("memory", "redis")
def test_other_apps_are_not_counted(ended: Any, result_backend: ResultBackend, redis_port: int) -> None:
    url = {"memory": "cache+memory://", "redis": f"redis://127.0.0.1:{redis_port}/0"}[result_backend.name]
    other = Celery("other", backend=url, set_as_current=False)
    with result_backend.assert_max_commands(0), result_backend.assert_max_connections(0):
        other.backend.store_result("t1", 4, "SUCCESS")
        other.backend.get_task_meta("t1")
    if result_backend.name == "redis":
        other.backend.client.close()


@pytest.mark.backends("redis-reads-twice", "sqlite-reads-twice", "memory-reads-twice")
def test_one_round_trip_too_many(ended: Any, result_backend: ResultBackend, result_app: Celery) -> None:
    (command,) = READS[result_backend.name.removesuffix("-reads-twice")]
    end = "" if "SELECT" in command else "  [MainThread]"
    with pytest.raises(AssertionError) as caught, result_backend.assert_max_commands(1):
        read(result_app, ended.id)
    assert told(caught, result_backend) == [
        "2 round trips to <backend>, not 1 at most",
        f"  _ ms  {command}{end}",
        f"  _ ms  {command}{end}",
    ]


@pytest.mark.backends("redis-connects-anew", "sqlite-connects-anew")
def test_a_connection_for_each_read(ended: Any, result_backend: ResultBackend, result_app: Celery) -> None:
    with pytest.raises(AssertionError) as caught, result_backend.assert_max_connections(1):
        read(result_app, ended.id, times=2)
    head, *rows = told(caught, result_backend)
    # SQLAlchemy's also look whether the tables are there
    count = 2 if result_backend.name.startswith("redis") else len(rows)
    assert head == f"{count} connections to <backend>, not 1 at most"
    assert len(rows) == count
    if result_backend.name.startswith("redis"):
        assert all(row.endswith(", still open  [MainThread]") for row in rows)
        for client in result_app.backend.left:
            client.close()


def in_a_thread_of_its_own(ask: Callable[[], object], times: int = 1) -> None:
    """Backends belong to a thread: a new one has nothing open yet."""
    for _ in range(times):
        thread = threading.Thread(target=ask, name="another")
        thread.start()
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.backends("s3", "dynamodb", "consul", "azureblob", "mongodb", "memcached")
def test_a_connection_of_each_thread_is_seen(
    ended: Any, result_backend: ResultBackend, result_app: Celery
) -> None:
    if result_backend.name in ("azureblob", "mongodb", "memcached"):  # the others connect for each read
        with result_backend.assert_max_connections(0):
            read(result_app, ended.id)
    with pytest.raises(AssertionError) as caught, result_backend.assert_max_connections(0):
        in_a_thread_of_its_own(lambda: read(result_app, ended.id), times=2)
    head, *rows = told(caught, result_backend)
    assert head == f"{len(rows)} connections to <backend>, not 0 at most"
    assert len(rows) >= 2
    assert all(re.fullmatch(r"  _ ms  \S+:\d+(, still open)?  \[another\]", row) for row in rows)


@pytest.mark.backends("rpc", "rpc-memory")
def test_connections_to_a_broker_are_seen(add: Any, ended: Any, result_backend: ResultBackend) -> None:
    with result_backend.commands() as warm:
        assert add.delay(2, 2).get(timeout=5) == 4
    assert "MainThread" not in {each.thread for each in warm.connections}
    with result_backend.commands() as commands:
        in_a_thread_of_its_own(lambda: add.delay(2, 2).get(timeout=5))
    assert "another" in {each.thread for each in commands.connections}


#: What takes the index from the table of results, by dialect.
WITHOUT_INDEX = {
    "sqlite": (
        "CREATE TABLE other AS SELECT * FROM celery_taskmeta",
        "DROP TABLE celery_taskmeta",
        "ALTER TABLE other RENAME TO celery_taskmeta",
    ),
    "postgresql": ("ALTER TABLE celery_taskmeta DROP CONSTRAINT celery_taskmeta_task_id_key",),
    "mysql": ("ALTER TABLE celery_taskmeta DROP INDEX task_id",),
}
SCANNED = {
    "sqlite": r"SCAN (TABLE )?celery_taskmeta",
    "postgresql": r"Seq Scan on celery_taskmeta",
    "mysql": r"celery_taskmeta: type ALL",
}


@pytest.mark.backends("sqlite", "postgres", "mariadb")
@pytest.mark.celery(result_expires=77)  # tables of its own: it leaves them without their index
def test_a_missing_index_is_caught(ended: Any, result_backend: ResultBackend, result_app: Celery) -> None:
    from sqlalchemy import text

    with result_backend.commands() as commands:
        read(result_app, ended.id)
        commands.assert_uses_indexes()
    assert len(commands) == 1  # what explains is not counted
    with result_app.backend.ResultSession() as session:
        dialect = {"mariadb": "mysql"}.get(session.bind.dialect.name, session.bind.dialect.name)
        for statement in WITHOUT_INDEX[dialect]:
            session.execute(text(statement))
        session.commit()
    with pytest.raises(AssertionError) as caught:
        commands.assert_uses_indexes()
    head, row = told(caught, result_backend)
    assert head == "1 queries to <backend> read a whole table, for want of an index"
    assert re.fullmatch(rf"  {SCANNED[dialect]}: SELECT celery_taskmeta.id", row)


@pytest.mark.backends("sqlite", "postgres", "mariadb")
@pytest.mark.parametrize("change", ["DELETE FROM celery_taskmeta", "UPDATE celery_taskmeta SET status = ''"])
def test_a_missing_index_is_caught_where_rows_are_changed(
    ended: Any, result_backend: ResultBackend, result_app: Celery, change: str
) -> None:
    from sqlalchemy import text

    with result_backend.commands() as commands, result_app.backend.ResultSession() as session:
        session.execute(text(f"{change} WHERE task_id = 'another'"))
        commands.assert_uses_indexes()
        session.execute(text(f"{change} WHERE traceback = 'another'"))
        session.rollback()
    with pytest.raises(AssertionError) as caught:
        commands.assert_uses_indexes()
    assert (
        told(caught, result_backend)[0] == "1 queries to <backend> read a whole table, for want of an index"
    )
    assert {entry.state for entry in result_backend.stored()} == {"SUCCESS"}  # it was asked, and not run


@pytest.mark.backends("memory", "redis")
def test_indexes_are_a_matter_of_databases(
    ended: Any, result_backend: ResultBackend, result_app: Celery
) -> None:
    with result_backend.commands() as commands:
        read(result_app, ended.id)
    with pytest.raises(AssertionError) as caught:
        commands.assert_uses_indexes()
    assert told(caught, result_backend) == [
        "indexes of <backend> cannot be seen",
        "  reason: no query was recorded that it explains",
    ]


@pytest.mark.backends("memory")
def test_connections_that_nobody_tells_of_are_an_error(result_backend: ResultBackend) -> None:
    with result_backend.commands() as commands:
        commands.cannot_see_connections("its driver is in C")
    with pytest.raises(AssertionError) as caught:
        commands.assert_max_connections(3)
    assert told(caught, result_backend) == [
        "connections to <backend> cannot be seen",
        "  reason: its driver is in C",
    ]


@pytest.mark.backends("memory")
def test_the_same_is_asked_of_a_recording(
    ended: Any, result_backend: ResultBackend, result_app: Celery
) -> None:
    with result_backend.commands() as commands:
        read(result_app, ended.id)
    commands.assert_max_commands(1)
    commands.assert_max_connections(0)
    with pytest.raises(AssertionError, match="^1 round trips to .*, not 0 at most"):
        commands.assert_max_commands(0)


@pytest.mark.backends("memory")
def test_many_round_trips_are_not_all_listed(result_backend: ResultBackend, result_app: Celery) -> None:
    with pytest.raises(AssertionError) as caught, result_backend.assert_max_commands(1):
        read(result_app, "t1", times=40)
    assert told(caught, result_backend)[-1] == "  and 10 more"


@pytest.mark.backends("memory")
def test_a_limit_that_counts_nothing_warns(result_backend: ResultBackend) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result_backend.assert_max_commands(3)
    assert [str(each.message) for each in caught] == [
        "assert_max_commands(3) counted nothing: type: with result_backend.assert_max_commands(3):"
    ]


@pytest.mark.backends("memory")
def test_the_error_of_the_block_comes_first(result_backend: ResultBackend, result_app: Celery) -> None:
    def fail() -> None:
        read(result_app, "t1")
        raise KeyError("the test's own")

    with pytest.raises(KeyError, match="the test's own"), result_backend.assert_max_commands(0):
        fail()


@pytest.mark.backends(*SIX)
def test_nothing_stays_replaced(ended: Any, result_backend: ResultBackend, result_app: Celery) -> None:
    from http.client import HTTPConnection

    from kombu import Consumer, Producer, Queue
    from redis.connection import AbstractConnection

    kinds = (AbstractConnection, HTTPConnection, Producer, Consumer, Queue, type(result_app.backend))
    before = [dict(vars(kind)) for kind in kinds]
    with result_backend.commands():
        pass
    assert [dict(vars(kind)) for kind in kinds] == before


@pytest.mark.backends("sqlite")
def test_a_get_that_polls_is_caught(result_backend: ResultBackend, result_app: Any) -> None:
    """What another process stores wakes nobody here."""
    waiting = result_app.AsyncResult("of-another-process")
    with pytest.raises(AssertionError) as caught, result_backend.assert_max_commands(3), suppress(GaveUp):
        waiting.get(timeout=0.5, interval=0.01)
    assert re.match(r"\d+ round trips to sqlite [\d.]+, not 3 at most\n", str(caught.value))
