"""The tests of all backends, on each provider that works here; not collected unless it is named.

pytest tests/backends/every_provider.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pytest
from witness import PROC, containers, is_loopback, is_there, processes

from pytest_celery_backends import Registry
from pytest_celery_backends.options import resolve
from pytest_celery_backends.polling import wait_until
from pytest_celery_backends.run import Run
from pytest_celery_backends.selection import Choice

TESTS: Final = Path(__file__).with_name("test_every_backend.py")
ROOT: Final = TESTS.parents[2]
SUPPORT: Final = ROOT / "tests" / "support"
#: Seconds for one backend: a server's start, and some twenty tests.
LIMIT: Final = 180
PAIRS: Final = [
    (name, source.kind)
    for name in Registry().names
    for source in Registry().get(name).sources
    if source.kind != "external" and not Registry().get(name).not_verified
]


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A run that has ended, and the file in which its witness noted what it had."""

    backend: str
    provider: str
    done: subprocess.CompletedProcess[str]
    file: Path

    @cached_property
    def noted(self) -> dict[str, Any]:
        assert self.file.exists(), self.done.stdout[-4000:] + self.done.stderr[-2000:]
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found


def why_not(backend: str, provider: str) -> str:
    """Why the provider cannot give the backend on this machine; empty where it can."""
    run = Run(resolve({"celery_backends_provider": [provider]}, {}, {}), lambda registry: None)
    try:
        error = run.plan(Choice(name=backend)).error
        return str(error) if error else ""
    finally:
        run.close()


def run_all(backend: str, provider: str, place: Path) -> Ran:
    """The tests of all backends, by themselves."""
    options = [f"--celery-backends={backend}", f"--celery-backends-provider={backend}={provider}"]
    file = place / "noted.json"
    path = os.pathsep.join([str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            str(TESTS),
            *options,
            "-p",
            "no:cacheprovider",
            "-p",
            "witness",
            "-rfE",
        ],
        cwd=ROOT,
        env={**os.environ, "WITNESS": str(file), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    return Ran(backend=backend, provider=provider, done=done, file=file)


# One test for a pair, so that pytest-xdist can share them out: its groups do nothing on pytest 9.2.
@pytest.mark.parametrize(("backend", "provider"), PAIRS)
def test_runs_to_its_end(backend: str, provider: str, tmp_path: Path) -> None:
    if reason := why_not(backend, provider):
        pytest.skip(reason)
    ran = run_all(backend, provider, tmp_path)
    assert ran.done.returncode == 0, ran.done.stdout[-4000:] + ran.done.stderr[-2000:]
    assert f"({provider})" in ran.done.stdout
    print(ran.done.stdout.splitlines()[-1])
    assert_nothing_is_left(ran)
    assert_only_this_machine_could_reach_its_servers(ran)


def assert_only_this_machine_could_reach_its_servers(ran: Ran) -> None:
    if ran.provider != "container" and not PROC.exists():
        pytest.skip("all else is true, but the system does not tell who listens")
    hosts = ran.noted["hosts"]
    assert bool(hosts) == Registry().get(ran.backend).needs_server, "it was seen where they listened"
    assert [host for host in hosts if not is_loopback(host)] == []


def assert_nothing_is_left(ran: Ran) -> None:
    directory = Path(ran.noted["directory"])
    assert not directory.exists()
    assert processes(directory, ran.noted["groups"]) == []
    if ran.provider == "container":
        assert containers(ran.noted["run"]) == []
        assert wait_until(lambda: not is_there(ran.noted["reaper"]), 15)
