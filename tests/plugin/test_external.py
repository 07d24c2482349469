"""Servers that are somebody else's: a run leaves everything on them as it was, and two runs do not meet."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest

from pytest_celery_backends.options import OPTIONS, resolve
from pytest_celery_backends.probes.postgres import schema_url
from pytest_celery_backends.run import Run
from pytest_celery_backends.selection import Choice
from pytest_celery_backends.spec import NotReady, Refused

psycopg2 = pytest.importorskip("psycopg2")
redis = pytest.importorskip("redis")

#: The machine's own, where they answer; else private ones are started.
OWN = {"redis": "redis://127.0.0.1:6379/0", "postgres": "postgresql://root@127.0.0.1:5432/test"}

SOURCE = """
import os
import time
from pathlib import Path
import pytest
from celery import chord, group, shared_task

pytestmark = pytest.mark.backends("redis", "postgres")

@shared_task
def add(x, y):
    return x + y

@shared_task
def total(numbers):
    return sum(numbers)

@shared_task
def boom():
    raise ValueError("boom")

def meet(step):
    '''Wait until the other run, if there is one, has come here too.'''
    me, other = os.environ["ME"], os.environ["OTHER"]
    Path(f"{step}-{me}").touch()
    deadline = time.monotonic() + 30
    while other and not Path(f"{step}-{other}").exists():
        assert time.monotonic() < deadline, f"the other run did not come to {step}"
        time.sleep(0.01)

def test_only_our_own_results_are_there(result_backend):
    results = [add.delay(n, n) for n in range(3)]
    assert [result.get(timeout=5) for result in results] == [0, 2, 4]
    meet(f"stored-{result_backend.name}")
    assert sorted(each.task_id for each in result_backend.stored()) == sorted(result.id for result in results)
    meet(f"seen-{result_backend.name}")

def test_all_kinds(result_backend):
    assert chord([add.s(n, n) for n in range(3)], total.s()).delay().get(timeout=5) == 6
    saved = group(add.s(1, 1), add.s(2, 2)).delay()
    saved.save()
    assert saved.get(timeout=5) == [2, 4]
    with pytest.raises(ValueError, match="boom"):
        boom.delay().get(timeout=5)

def test_leaves_something_behind(result_backend):
    add.delay(1, 1).get(timeout=5)

def test_starts_empty(result_backend):
    assert result_backend.stored() == []
    assert result_backend.provider == "external"
"""


@pytest.fixture(scope="module")
def urls() -> Iterator[Mapping[str, str]]:
    """A URL of each server, with a password in it."""
    run = Run(resolve({"celery_backends_provider": ["local,embedded"]}, {}, {}), lambda registry: None)
    found = {}
    for name, url in OWN.items():
        choice = Choice(name=name)
        try:
            run.spec(choice).identify(url, 2.0)
        except (NotReady, Refused):
            error = run.plan(choice).error
            if error:
                run.close()
                pytest.skip(error.cause)
            url = run.service(choice).url
        found[name] = url
    yield found
    run.close()


class Foreign:
    """What others have on the two servers, as it can be seen from outside."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._redis = redis.Redis.from_url(urls["redis"])
        self._postgres = psycopg2.connect(schema_url(urls["postgres"]))
        self._postgres.autocommit = True
        self.mark = f"foreign_{uuid4().hex}"

    def make(self) -> None:
        """Keys and tables, named so that a careless tool takes them for its own."""
        client, mark = self._redis, self.mark
        client.set(f"celery-task-meta-{mark}", b"\x00\xffresult")
        client.set(f"pcb-{mark}", b"also not ours")
        client.rpush(f"{mark}:list", "a", "b")
        client.expire(f"{mark}:list", 3600)
        self._run(f"CREATE SCHEMA {mark}")
        columns = "result bytea, date_done timestamp DEFAULT '2001-01-01'"
        self._run(
            f"CREATE TABLE {mark}.celery_taskmeta (id serial PRIMARY KEY, task_id text, status text, {columns}, "
            "traceback text, children bytea)"
        )
        self._run(
            f"CREATE TABLE {mark}.celery_tasksetmeta (id serial PRIMARY KEY, taskset_id text, {columns})"
        )
        self._run(f"INSERT INTO {mark}.celery_taskmeta (task_id, result) VALUES ('{mark}', '\\x00ff')")
        self._run(f"INSERT INTO {mark}.celery_tasksetmeta (taskset_id, result) VALUES ('{mark}', '\\x00ff')")

    def seen(self) -> dict[str, Any]:
        """Byte for byte what is there of ours."""
        keys = sorted(self._redis.keys(f"*{self.mark}*"))
        return {
            "keys": {key: self._redis.dump(key) for key in keys},
            "expires": self._redis.ttl(f"{self.mark}:list") > 0,
            "tasks": self._run(f"SELECT t::text FROM {self.mark}.celery_taskmeta t"),
            "groups": self._run(f"SELECT t::text FROM {self.mark}.celery_tasksetmeta t"),
            "relations": self._run(
                f"SELECT relname FROM pg_class WHERE relnamespace = '{self.mark}'::regnamespace ORDER BY 1"
            ),
        }

    def names_of_runs(self) -> set[str]:
        """Keys, channels, schemas and tables that Celery or this package may have made."""
        tables = self._run(
            "SELECT schemaname || '.' || tablename FROM pg_tables WHERE tablename LIKE 'celery_%'"
        )
        schemas = self._run("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'pcb%'")
        patterns = ("pcb*", "celery-*", "chord-*", "_kombu*")
        keys = [key for pattern in patterns for key in self._redis.keys(pattern)]
        channels = self._redis.pubsub_channels("pcb*")
        return {*(key.decode() for key in [*keys, *channels]), *(name for (name,) in [*schemas, *tables])}

    def _run(self, statement: str) -> list[Any]:
        with self._postgres.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def remove(self) -> None:
        """Leave the servers as they were."""
        for key in self._redis.keys(f"*{self.mark}*"):
            self._redis.delete(key)
        self._run(f"DROP SCHEMA IF EXISTS {self.mark} CASCADE")
        self._redis.close()
        self._postgres.close()


@pytest.fixture
def foreign(urls: Mapping[str, str]) -> Iterator[Foreign]:
    """Somebody else's data on both servers."""
    foreign = Foreign(urls)
    try:
        foreign.make()
        yield foreign
    finally:
        foreign.remove()


def started(place: Path, urls: Mapping[str, str], me: str, other: str = "") -> subprocess.Popen[str]:
    (place / "test_it.py").write_text(SOURCE)
    dropped = {"CI", *(option.variable for option in OPTIONS)}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p celery_backends"}
    given = [f"--celery-backends-url={name}={url}" for name, url in urls.items()]
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-p",
            "no:cacheprovider",
            "--celery-backends-unavailable=fail",
            *given,
        ],
        cwd=place,
        env={**kept, **plugins, "ME": me, "OTHER": other},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> str:
    try:
        return process.communicate(timeout=60)[0]
    finally:
        process.kill()
        process.wait(10)


def with_password(url: str, password: str) -> str:
    """The URL with a password where it has none; a server that trusts us does not look at it."""
    parts = urlsplit(url)
    if parts.password:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:{password}@{host}"))


def test_a_run_leaves_what_was_there_byte_for_byte_and_nothing_of_its_own(
    urls: Mapping[str, str], foreign: Foreign, tmp_path: Path
) -> None:
    # the tables of others are where this URL leads
    postgres = schema_url(with_password(urls["postgres"], "s3cret"), foreign.mark)
    before = foreign.seen()
    known = foreign.names_of_runs()
    output = finished(started(tmp_path, {**urls, "postgres": postgres}, "one"))
    assert re.search(r"=+ 8 passed", output), output
    assert foreign.seen() == before
    assert len(before["keys"]) == 3
    # other runs may come and go on these servers; what came and stayed would be ours
    assert {name for name in foreign.names_of_runs() - known if not _is_of_a_live_run(name)} == set()
    passwords = [urlsplit(url).password for url in (postgres, urls["redis"])]
    assert [password for password in passwords if password and password in output] == []


def _is_of_a_live_run(name: str) -> bool:
    from pytest_celery_backends.providers.leftovers import is_live, private_root

    found = re.search(r"pcb_([0-9a-f]{8})_", name)
    return found is not None and is_live(private_root(), f"pcb-{found[1]}")


def test_two_runs_at_the_same_time_on_the_same_servers_do_not_see_each_other(
    urls: Mapping[str, str], tmp_path: Path
) -> None:
    one, two = started(tmp_path, urls, "one", "two"), started(tmp_path, urls, "two", "one")
    for output in (finished(one), finished(two)):
        assert re.search(r"=+ 8 passed", output), output
