"""A run that was killed leaves its namespace on a server given by URL; the next run there removes it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from running import RunTests

from pytest_celery_backends.options import resolve
from pytest_celery_backends.run import Run
from pytest_celery_backends.selection import Choice

HANGS = """
import time
import pytest
from tasks import add

@pytest.mark.backends("redis", "postgres")
def test_one(result_backend):
    assert add.delay(1, 1).get(timeout=5) == 2
    if result_backend.name == "postgres":
        open("stored", "w").close()
        time.sleep(60)
"""


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    """Private servers that are given by URL, as a team's own would be."""
    run = Run(resolve({"celery_backends_provider": ["embedded"]}, {}, {}), lambda registry: None)
    try:
        yield {name: run.service(Choice(name=name)).url for name in ("redis", "postgres")}
    finally:
        run.close()


def namespaces(servers: dict[str, str]) -> list[str]:
    """The names of our keys and schemas on the servers."""
    import psycopg2
    from redis import Redis

    with Redis.from_url(servers["redis"]) as client:
        keys = [key.decode() for key in client.keys("pcb_*")]
    connection = psycopg2.connect(servers["postgres"])
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'pcb\\_%'")
            return sorted(keys + [name for (name,) in cursor.fetchall()])
    finally:
        connection.close()


def test_the_next_run_removes_what_a_killed_run_left(
    servers: dict[str, str], run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_hangs=HANGS)
    urls = [f"--celery-backends-url={name}={url}" for name, url in servers.items()]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *urls, "test_hangs.py"]
    killed = subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (pytester.path / "stored").exists():
        assert killed.poll() is None, "the run ended by itself"
        assert time.monotonic() < deadline, "the run did not come to its test"
        time.sleep(0.01)
    live = namespaces(servers)
    one = (
        '@pytest.mark.backends("redis", "postgres")\n'
        "def test_two():\n    assert add.delay(1, 1).get(timeout=5) == 2\n"
    )
    run_tests(one, *urls, "test_it.py").assert_outcomes(passed=2)
    assert namespaces(servers) == live, "a live run's is left alone"
    killed.send_signal(signal.SIGKILL)
    killed.wait(5)
    assert namespaces(servers) == live != []
    run_tests(one, *urls, "test_it.py").assert_outcomes(passed=2)
    assert namespaces(servers) == []
