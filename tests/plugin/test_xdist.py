"""Beside pytest-xdist: one server for all processes, and nothing that stays, however a process ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import RunTests

from pytest_celery_backends.options import OPTIONS, resolve
from pytest_celery_backends.polling import wait_until
from pytest_celery_backends.providers.groups import is_running
from pytest_celery_backends.providers.leftovers import private_root
from pytest_celery_backends.run import Run
from pytest_celery_backends.selection import Choice

pytest.importorskip("xdist")

HEAD = """
import os
import time
from pathlib import Path
import pytest
from celery import shared_task

@shared_task
def add(x, y):
    return x + y

@pytest.fixture(autouse=True)
def noted(result_backend, request):
    handle = result_backend._lease.service.handle
    prefix = result_backend.settings.get("result_backend_transport_options", {}).get("global_keyprefix", "")
    line = f"{os.getpid()} {result_backend.name} {handle.get('pid')} {handle.get('directory')} {prefix}"
    with open("noted", "a") as file:
        file.write(line + chr(10))
"""

EVERYWHERE = """
@pytest.mark.backends("redis", "postgres", "sqlite")
@pytest.mark.parametrize("n", range(6))
def test_add(n):
    assert add.delay(n, 1).get(timeout=10) == n + 1
"""

CRASHING = """
@pytest.mark.backends("redis")
@pytest.mark.parametrize("n", range(8))
def test_add(n):
    assert add.delay(n, 1).get(timeout=10) == n + 1
    if n == 2:
        os._exit(1)
"""

WAITING = """
@pytest.mark.backends("redis", "postgres")
@pytest.mark.parametrize("n", range(4))
def test_waits(n):
    assert add.delay(n, 1).get(timeout=10) == n + 1
    Path(f"up-{os.getpid()}").touch()
    time.sleep(60)
"""


#: A plugin of every process: a server that no test uses is seen by nobody else.
STARTS = """
import os
import sys
from pathlib import Path

def note(event, args):
    if event == "subprocess.Popen" and len(args[1]) > 4 and args[2]:
        server, directory = Path(args[1][4]).name, Path(args[2]).parent
        if server in ("valkey-server", "redis-server", "postgres"):
            with open("starts", "a") as file:
                file.write(directory.name.rpartition("-")[0] + chr(10))

sys.addaudithook(note)
"""


class Distributed:
    """A run of pytest in processes of their own."""

    def __init__(self, place: Path, source: str, *args: str) -> None:
        self.place = place
        (place / "test_it.py").write_text(HEAD + source)
        (place / "noting_starts.py").write_text(STARTS)
        dropped = {"CI", "PYTEST_XDIST_WORKER", *(option.variable for option in OPTIONS)}
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        added = "-p celery_backends -p xdist -p noting_starts"
        plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": added}
        self.process = subprocess.Popen(
            # a shell that starts its jobs in the background has them ignore SIGINT
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            args=[
                *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
                *("--celery-backends-provider=embedded", "--celery-backends-unavailable=fail", *args),
            ],
            cwd=place,
            env={**kept, **plugins},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def lines(self) -> list[str]:
        """What it said, once it has ended."""
        return self.process.communicate(timeout=90)[0].splitlines()

    @property
    def noted(self) -> list[list[str]]:
        """For each test: the process, the backend, the server's process and directory, the prefix."""
        file = self.place / "noted"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line.split(" ") for line in lines]

    @property
    def starts(self) -> Counter[str]:
        """How many servers were started, by backend."""
        file = self.place / "starts"
        return Counter(file.read_text().split() if file.exists() else ())

    @property
    def left(self) -> list[object]:
        """What is there of it: servers, and directories of any of its processes."""
        servers = {int(each[2]) for each in self.noted if each[2] != "None"}
        directories = {Path(each[3]).parent for each in self.noted if each[3] != "None"}
        runs = {private_root() / "-".join(each[4].split("_")[:2]) for each in self.noted if each[4]}
        return [
            *(server for server in servers if is_running(server)),
            *(directory for directory in directories | runs if directory.exists()),
        ]


Distribute = Callable[..., Distributed]


@pytest.fixture
def distribute(tmp_path: Path) -> Iterator[Distribute]:
    """Start distributed runs in the test's own directory; those that are left are killed."""
    started: list[Distributed] = []

    def distribute(source: str, *args: str) -> Distributed:
        started.append(Distributed(tmp_path, source, *args))
        return started[-1]

    yield distribute
    for run in started:
        if run.process.poll() is None:
            run.process.kill()
        run.process.communicate(timeout=10)


@pytest.mark.parametrize("how", ["load", "loadscope", "loadgroup", "worksteal"])
def test_one_server_per_backend_serves_every_process_in_a_namespace_of_its_own(
    distribute: Distribute, how: str
) -> None:
    run = distribute(EVERYWHERE, "-n4", f"--dist={how}")
    lines = run.lines()
    assert run.process.returncode == 0, lines
    for backend in ("redis", "postgres"):
        assert len({each[2] for each in run.noted if each[1] == backend}) == 1
    assert run.starts == {"redis": 1, "postgres": 1}
    prefixes = {(each[0], "_".join(each[4].split("_")[:2])) for each in run.noted if each[4]}
    assert (
        len(prefixes) == len({prefix for _, prefix in prefixes}) == len({process for process, _ in prefixes})
    )
    assert run.left == []


def test_the_controller_says_what_a_run_in_one_process_says(distribute: Distribute) -> None:
    said = []
    for count in ("-n0", "-n2"):
        lines = distribute(EVERYWHERE, count).lines()
        said.append(
            [
                line
                for line in lines
                if re.match(r"celery backend |redis |postgres |sqlite |test |test_it\.py::\S+ +✓", line)
            ]
        )
    assert said[0] == said[1]
    assert "celery backend redis: " in "\n".join(said[0])


def test_a_process_that_dies_takes_no_server_with_it(distribute: Distribute) -> None:
    run = distribute(CRASHING, "-n2")
    lines = run.lines()
    assert re.search("1 failed, 7 passed", lines[-1]), lines
    assert len({each[2] for each in run.noted}) == 1
    assert run.starts == {"redis": 1}
    assert len(Counter(each[0] for each in run.noted)) >= 2
    assert wait_until(lambda: not run.left, 5), run.left


@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_nothing_stays_where_a_signal_ends_the_controller(distribute: Distribute, ending: str) -> None:
    run = distribute(WAITING, "-n2")
    assert wait_until(lambda: len(list(run.place.glob("up-*"))) == 2, 60), run.lines()
    assert run.left
    processes = {int(each[0]) for each in run.noted}
    if ending == "SIGINT":  # as Ctrl-C does: for all of them
        os.killpg(run.process.pid, signal.SIGINT)
    else:
        run.process.send_signal(signal.Signals[ending])
    run.process.wait(30)
    assert wait_until(lambda: not run.left, 10), run.left
    assert wait_until(lambda: not any(is_alive(process) for process in processes), 15), processes


def is_alive(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


def test_servers_are_kept_and_told_by_the_controller(distribute: Distribute) -> None:
    run = distribute(EVERYWHERE, "-n2", "--celery-backends-keep")
    kept = [line for line in run.lines() if "left running: " in line]
    try:
        told = [line.split("left running: ")[1].split(":")[0] for line in kept]
        assert [told.count(name) for name in ("redis", "postgres")] == [1, 1]
        servers = {int(each[2]) for each in run.noted if each[2] != "None"}
        assert len(servers) == 2
        assert all(is_running(server) for server in servers)
    finally:
        for line in kept:
            command = re.search(r"\((?:stop it|once they are stopped): (.*)\)$", line)
            assert command, line
            if command[1] != "nothing to stop":
                subprocess.run(["/bin/bash", "-c", command[1]], timeout=30, check=False)
    assert wait_until(lambda: not run.left, 10), run.left


ALONE = """
import dataclasses

def pytest_celery_backends_register(registry):
    registry.register(dataclasses.replace(registry.get("redis"), is_shared=False))
"""


def test_a_server_for_one_process_only_is_started_for_each(distribute: Distribute, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(ALONE)
    run = distribute(EVERYWHERE, "-n2", "--dist=load")
    lines = run.lines()
    assert run.process.returncode == 0, lines
    pairs = {(each[0], each[2]) for each in run.noted if each[1] == "redis"}
    assert len(pairs) == len({server for _, server in pairs}) == len({process for process, _ in pairs})
    assert run.starts == {"redis": len(pairs), "postgres": 1}
    assert run.left == []


LATE = """
import dataclasses

def pytest_celery_backends_register(registry):
    registry.register(dataclasses.replace(registry.get("redis"), name="acme"))
"""


def test_a_backend_that_only_processes_know_is_started_by_them(
    distribute: Distribute, tmp_path: Path
) -> None:
    (tmp_path / "plugin_of_processes.py").write_text(LATE)
    only = (
        "def pytest_configure(config):\n"
        "    if hasattr(config, 'workerinput'):\n"
        "        import plugin_of_processes\n"
        "        config.pluginmanager.register(plugin_of_processes)\n"
    )
    (tmp_path / "conftest.py").write_text(only)
    run = distribute(EVERYWHERE.replace('"redis"', '"acme"'), "-n2")
    lines = run.lines()
    assert run.process.returncode == 0, lines
    assert {each[1] for each in run.noted} == {"acme", "postgres", "sqlite"}
    assert run.left == []


def test_a_run_without_tests_of_ours_costs_no_server_and_says_nothing(distribute: Distribute) -> None:
    started = time.monotonic()
    run = distribute("", "-n1", "--collect-only")
    assert not any("celery backend " in line for line in run.lines())
    assert time.monotonic() - started < 60
    assert run.noted == []


DYING_ON_EXTERNAL = """
@pytest.mark.backends("redis")
@pytest.mark.parametrize("n", range(4))
def test_add(n):
    assert add.delay(n, 1).get(timeout=10) == n + 1
    if n == 1:
        os._exit(1)
"""


def test_what_a_process_that_died_left_on_a_server_given_by_url_is_swept(distribute: Distribute) -> None:
    redis = pytest.importorskip("redis")
    server = Run(resolve({"celery_backends_provider": ["embedded"]}, {}, {}), lambda registry: None)
    try:
        url = server.service(Choice(name="redis")).url
        run = distribute(DYING_ON_EXTERNAL, "-n2", f"--celery-backends-url=redis={url}")
        lines = run.lines()
        assert re.search("1 failed, 3 passed", lines[-1]), lines
        with redis.Redis.from_url(url) as client:
            assert client.keys("pcb_*") == []
    finally:
        server.close()


def test_what_no_encoding_can_carry_ends_no_run(run_tests: RunTests) -> None:
    """A worker's log may have half a character in it; pytest-xdist sends text in UTF-8 alone."""
    result = run_tests(
        """
        @pytest.mark.backends("memory")
        def test_half(result_worker):
            import logging

            @result_worker.task(name="half")
            def half():
                logging.getLogger("celery.task").warning("half a character: %s", chr(0xD800))

            half.delay().get(timeout=5)
            assert False
        """.replace("\n        ", "\n"),
        *("-p", "xdist", "-n1"),
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*half a character: \\ud800*"])


@pytest.mark.parametrize(("processes", "is_frozen"), [("-n1", True), ("-n0", False)])
def test_a_process_looks_for_garbage_in_what_tests_make(
    run_tests: RunTests, processes: str, is_frozen: bool
) -> None:
    """Not in all that it has imported; where pytest runs in one process, that is pytest's own to look through."""
    result = run_tests(
        f"""
        import gc

        @pytest.mark.backends("memory")
        def test_frozen():
            assert (gc.get_freeze_count() > 0) is {is_frozen}
        """.replace("\n        ", "\n"),
        *("-p", "xdist", processes),
    )
    result.assert_outcomes(passed=1)
