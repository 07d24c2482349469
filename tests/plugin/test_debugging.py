"""Debugger, coverage and caplog, as people use them beside tests of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = """
import pytest
from celery import shared_task

@shared_task
def add(x, y):
    total = x + y
    return total

@shared_task
def stop_inside(x):
    breakpoint()
    return x

pytestmark = pytest.mark.backends("redis", "memory")

def test_fails(result_backend):
    assert add.delay(2, 2).get(timeout=5) == 5

def test_passes():
    assert add.delay(2, 2).get(timeout=5) == 4

def test_stops_inside():
    assert stop_inside.delay(3).get(timeout=20) == 3

def test_thinks():
    assert stop_inside.delay(3).get(timeout=1.5) == 3

def test_thinks_long(result_backend):
    result_backend.assert_transitions(stop_inside.delay(3), "SUCCESS", timeout=1.5)

def test_logs(caplog, result_worker):
    caplog.set_level("INFO", logger="celery")
    add.delay(2, 2).get(timeout=5)
    result_worker.drain()
    assert [record.name for record in caplog.records if "received" in record.getMessage()] == [
        "celery.worker.strategy"
    ]
"""


def run(place: Path, *command: str, typed: str = "") -> str:
    """What a command says beside the module of tests; *typed* is typed into it."""
    (place / "test_it.py").write_text(SOURCE)
    done = subprocess.run(
        [sys.executable, "-m", *command, "-p", "no:cacheprovider", "-p", "celery_backends", "-q"],
        cwd=place,
        env={
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_CELERY_BACKENDS_PROVIDER": "embedded",
        },
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def test_where_a_test_failed_worker_and_server_are_alive(tmp_path: Path) -> None:
    typed = [
        'p ["server", result_backend.client.ping()]',
        'p ["worker", add.delay(20, 22).get(timeout=5)]',
        'p ["stored", len(result_backend.stored())]',
        "q",
    ]
    said = run(tmp_path, "pytest", "--pdb", "-k", "fails and redis", typed="\n".join([*typed, ""]))
    assert [
        word for word in ("['server', True]", "['worker', 42]", "['stored', 2]") if word not in said
    ] == []
    assert "1 failed" in said


@pytest.mark.parametrize("backend", ["redis", "memory"])
def test_a_breakpoint_in_a_task_stops_there(tmp_path: Path, backend: str) -> None:
    said = run(tmp_path, "pytest", "-k", f"inside and {backend}", typed='p ["inside", x * 21]\nc\n')
    assert "['inside', 63]" in said
    assert "1 passed" in said


def test_limits_stand_still_while_somebody_thinks(tmp_path: Path) -> None:
    said = run(tmp_path, "pytest", "-k", "thinks", typed=4 * "import time; time.sleep(2)\nc\n")
    assert "4 passed" in said


def test_quitting_in_a_task_ends_the_waits(tmp_path: Path) -> None:
    said = run(tmp_path, "pytest", "-k", "thinks_long and memory", typed="q\n")
    assert "1 failed" in said


def test_lines_of_tasks_are_counted(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        "coverage",
        "run",
        "--data-file=counted",
        "--include=*/test_it.py",
        "-m",
        "pytest",
        "-k",
        "passes",
    )
    assert "2 passed" in said
    subprocess.run(
        [sys.executable, "-m", "coverage", "json", "--data-file=counted", "-o", "counted.json"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=60,
    )
    (counted,) = json.loads((tmp_path / "counted.json").read_text())["files"].values()
    inside = {number for number, line in enumerate(SOURCE.splitlines(), 1) if "total" in line}
    assert inside <= set(counted["executed_lines"])


def test_caplog_sees_the_worker(tmp_path: Path) -> None:
    assert "2 passed" in run(tmp_path, "pytest", "-k", "logs")
