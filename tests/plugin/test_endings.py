"""However a run ends, nothing of it stays: no process, no directory, no container."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_celery_backends.options import OPTIONS
from pytest_celery_backends.polling import wait_until
from pytest_celery_backends.providers.container import ContainerProvider
from pytest_celery_backends.providers.engine import LABEL, connected
from pytest_celery_backends.providers.groups import is_running, recorded_group
from pytest_celery_backends.providers.leftovers import private_root
from pytest_celery_backends.providers.run_directory import RunDirectory
from pytest_celery_backends.registry import Registry

#: Says which run it is while its servers are up, and then goes on as it is told.
SOURCE = """
import os
import threading
from pathlib import Path
import pytest
from celery import shared_task

@shared_task
def add(x, y):
    return x + y

@pytest.mark.backends(*os.environ["ON"].split())
def test_add(result_backend):
    assert add.delay(2, 2).get(timeout=5) == 4
    if result_backend.name == "redis":
        prefix = result_backend.settings["result_backend_transport_options"]["global_keyprefix"]
        Path("prefix").write_text(prefix)

def test_ending():
    Path("told").touch()
    if os.environ["ENDING"] == "wait":
        threading.Event().wait(60)
    assert os.environ["ENDING"] == "succeed"

@pytest.mark.backends(*os.environ["ON"].split()[:1])
def test_keeps_the_session_going():
    pass
"""


class Running:
    """A run of pytest in a process of its own, whose servers are up."""

    def __init__(self, place: Path, ending: str, *args: str, on: str = "redis postgres sqlite") -> None:
        (place / "test_it.py").write_text(SOURCE)
        dropped = {"CI", *(option.variable for option in OPTIONS)}
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p celery_backends"}
        self.process = subprocess.Popen(
            # a shell that starts its jobs in the background has them ignore SIGINT
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            args=[
                sys.executable,
                "-m",
                "pytest",
                "-p",
                "no:cacheprovider",
                "--celery-backends-unavailable=fail",
                *args,
            ],
            cwd=place,
            env={**kept, **plugins, "ENDING": ending, "ON": on, "RYUK_RECONNECTION_TIMEOUT": "2s"},
            stdout=subprocess.PIPE,
            text=True,
        )
        is_up = wait_until(lambda: (place / "told").exists() or self.process.poll() is not None, 30)
        assert is_up, self.output
        assert (place / "prefix").exists(), self.output
        self.id = "-".join((place / "prefix").read_text().split("_")[:2])
        self.directory = private_root() / self.id
        groups = [recorded_group(record.parent) for record in self.directory.glob("*/pgid")]
        self.servers = [group for group in groups if group]

    @property
    def output(self) -> str:
        """What it said, once it has ended."""
        if self.process.poll() is None:
            self.process.kill()
        return self.process.communicate(timeout=30)[0]

    @property
    def left(self) -> list[object]:
        """What is there of it: processes by their ids, directories."""
        processes = [server for server in self.servers if is_running(server)]
        return [*processes, *self.directory.parent.glob(f"{self.id}*")]


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a run; it is killed where the test does not end it."""
    started: list[Running] = []

    def start(ending: str, *args: str, on: str = "redis postgres sqlite") -> Running:
        started.append(Running(tmp_path, ending, *args, on=on))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        running.process.communicate(timeout=10)


@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_nothing_stays_of_a_run_that_a_signal_ends(start: Start, ending: str) -> None:
    running = start("wait", "--celery-backends-provider=embedded")
    assert len(running.servers) == 2
    assert len(running.left) == 3
    running.process.send_signal(signal.Signals[ending])
    running.process.wait(10)
    assert wait_until(lambda: not running.left, 2), running.left


@pytest.mark.parametrize(("ending", "code"), [("succeed", 0), ("fail", 1)])
def test_nothing_stays_of_a_run_that_ends_by_itself(start: Start, ending: str, code: int) -> None:
    running = start(ending, "--celery-backends-provider=embedded")
    assert running.process.wait(20) == code
    assert running.left == []


HANGING = """
import time
import pytest
from celery import shared_task

pytestmark = pytest.mark.backends("memory")

@shared_task
def add(x, y):
    return x + y

@shared_task
def hang():
    time.sleep(60)

def test_one(result_backend):
    result_backend.wait_for(add.delay(1, 1), "SUCCESS")
    hang.delay()

def test_two():
    assert add.delay(2, 2).get(timeout=5) == 4
"""


def test_a_task_that_hangs_is_named_where_its_test_ends_and_delays_neither_the_next_test_nor_the_exit(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(HANGING)
    started = time.monotonic()
    result = pytester.runpytest_subprocess("-p", "celery_backends", "-p", "no:cacheprovider", timeout=60)
    assert time.monotonic() - started < 30
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.re_match_lines(
        [
            r"_+ ERROR at teardown of test_one\[memory\] _+",
            r"the in-process worker did not stop within \d s",
            r"  still running: \S+\.hang\[[0-9a-f-]{36}\] for \d\.\d s",
            r"  type: result_worker\.drain\(timeout=60\)  # at the end of the test",
        ],
        consecutive=True,
    )
    result.stdout.re_match_lines([r"-+ Captured running tasks teardown -+", r".*time\.sleep\(60\)"])


@pytest.fixture
def engine() -> None:
    """A container engine that answers and has the image; the test is skipped where there is none."""
    run = RunDirectory()
    found = ContainerProvider(run).check(Registry().get("redis"), "")
    run.close()
    if not found.works or found.reason:
        pytest.skip(found.reason)
    if re.fullmatch("true|1", os.environ.get("TESTCONTAINERS_RYUK_DISABLED", ""), re.IGNORECASE):
        pytest.skip("the reaper of testcontainers is switched off")


@pytest.mark.usefixtures("engine")
def test_a_container_goes_soon_after_its_run_was_killed(start: Start) -> None:
    running = start("wait", "--celery-backends-provider=container", on="redis")

    def containers() -> list[str]:
        with connected() as client:
            marked = {"label": f"{LABEL}.run={running.id}"}
            return [
                str(each.id) for each in client.containers.list(all=True, ignore_removed=True, filters=marked)
            ]

    assert len(containers()) == 1
    running.process.kill()
    running.process.wait(10)
    assert wait_until(lambda: not containers(), 15), containers()
    assert wait_until(lambda: not running.left, 2), running.left
