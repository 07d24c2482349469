"""The kit on backends that are hopeless: it ends, within a bound, and says which they are."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

#: Seconds for a run that must not hang: failures end after PATIENCE, and a check after its own limit.
LIMIT: Final = 120

CONFTEST: Final = """
from dataclasses import replace

import pytest_celery_backends.check_limits as limits
from pytest_celery_backends import not_yet
from pytest_celery_backends.conformance import TestStates

# every second one, in the order in which they run
DECLARED = [name for name in vars(TestStates) if name.startswith("test_")][{declared}::2]

limits.LIMIT, limits.PATIENCE, limits.IN_ALL = {limit}, {patience}, {in_all}

def pytest_celery_backends_register(registry):
    whole = registry.get("memory")

    def settings(service, namespace):
        given = dict(whole.settings(service, namespace))
        return {{**given, "result_backend": "hopeless:Hopeless+memory://"}}

    checks = dict.fromkeys(DECLARED, not_yet("it hangs", "acme#1"))
    registry.register(replace(whole, name="acme", settings=settings, checks=checks))
"""
BREAKS_ALL: Final = """
from celery.backends.cache import CacheBackend

class Hopeless(CacheBackend):
    def get(self, key):
        raise OSError("no disk")

    def set(self, key, value):
        raise OSError("no disk")
"""
HANGS: Final = """
import time
from celery.backends.cache import CacheBackend

class Hopeless(CacheBackend):
    def get(self, key):
        time.sleep(3600)

    def set(self, key, value):
        time.sleep(3600)
"""
HANGS_AND_HOLDS_ON: Final = """
import threading
from celery.backends.cache import CacheBackend

class Hopeless(CacheBackend):
    def get(self, key):
        while True:
            try:
                threading.Event().wait()
            except Exception:
                pass

    set = get
"""
HANGS_WHEN_IT_STORES: Final = """
import time
from celery.backends.cache import CacheBackend

class Hopeless(CacheBackend):
    def set(self, key, value):
        time.sleep(3600)
"""
DIES: Final = "raise SystemExit(3)"
CANNOT_BE_IMPORTED: Final = "import a_module_that_is_not_there"
DIES_WHEN_MADE: Final = """
from celery.backends.cache import CacheBackend

class Hopeless(CacheBackend):
    def __init__(self, *args, **kwargs):
        raise RuntimeError("no licence")
"""


class Run:
    """A run that has ended, and how long it took."""

    def __init__(self, done: subprocess.CompletedProcess[str], seconds: float) -> None:
        self.code = done.returncode
        self.seconds = seconds
        self.output = done.stdout + done.stderr
        self.lines = pytest.LineMatcher(done.stdout.splitlines())


def run(
    place: Path,
    hopeless: str,
    *topics: str,
    limit: float = 30,
    patience: float = 60,
    in_all: float = 480,
    declared: int = 1000,
) -> Run:
    """Run topics of the kit, or all of it, on a backend whose module has this source.

    Every second check of states from the one of that number on is declared to hang.
    """
    (place / "hopeless.py").write_text(hopeless)
    (place / "conftest.py").write_text(
        CONFTEST.format(limit=limit, patience=patience, in_all=in_all, declared=declared)
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    kit = [f"pytest_celery_backends.conformance{topic}" for topic in topics or ("",)]
    options = ["-p", "no:cacheprovider", "-q", "--tb=line", "--celery-backends=acme"]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--pyargs", *kit, *options],
        cwd=place,
        env=environment | {"PYTHONPATH": str(place), "COLUMNS": "150"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    return Run(done, time.monotonic() - began)


def test_a_backend_that_breaks_every_check_fails_every_check(tmp_path: Path) -> None:
    ran = run(tmp_path, BREAKS_ALL, ".payloads", patience=12)
    ran.lines.fnmatch_lines(["acme * on Celery *: 0 conform, 0 unsupported, 0 known gaps, * failures"])
    assert ran.code == pytest.ExitCode.TESTS_FAILED
    ran.lines.fnmatch_lines(["*not run on acme: the * checks before it failed and took * s: *"])


@pytest.mark.parametrize(
    ("hangs", "topics"), [(HANGS, ()), (HANGS_AND_HOLDS_ON, (".payloads", ".states", ".waits"))]
)
def test_a_backend_that_hangs_in_every_call_is_given_up(
    hangs: str, topics: tuple[str, ...], tmp_path: Path
) -> None:
    ran = run(tmp_path, hangs, *topics, limit=3, patience=6)
    assert ran.code == pytest.ExitCode.TESTS_FAILED, ran.output[-3000:]
    ran.lines.fnmatch_lines(["*took more than 3 s*"])
    ran.lines.fnmatch_lines(["acme * on Celery *: 0 conform, * unsupported, 0 known gaps, * failures"])
    ran.lines.fnmatch_lines(["FAILED *acme*"])


def test_a_backend_that_hangs_as_is_declared_is_given_up_too(tmp_path: Path) -> None:
    ran = run(tmp_path, HANGS, ".states", limit=2, patience=5, declared=1)
    assert ran.code == pytest.ExitCode.TESTS_FAILED, ran.output[-3000:]
    ran.lines.fnmatch_lines(["*not run on acme: the 3 checks before it failed and took 6 s: *"])
    ran.lines.fnmatch_lines(["acme * on Celery *: 0 conform, 0 unsupported, 1 known gap, * failures"])


def test_a_backend_that_hangs_now_and_then_is_given_up(tmp_path: Path) -> None:
    ran = run(tmp_path, HANGS_WHEN_IT_STORES, ".states", limit=2, in_all=6)
    assert ran.code == pytest.ExitCode.TESTS_FAILED, ran.output[-3000:]
    ran.lines.fnmatch_lines(["*not run on acme: * checks so far failed and took * s: test_*"])
    ran.lines.fnmatch_lines(["acme * on Celery *: * conform, 0 unsupported, 0 known gaps, * failures"])


@pytest.mark.parametrize("dies", [DIES, CANNOT_BE_IMPORTED, DIES_WHEN_MADE])
def test_a_backend_that_dies_at_import_fails_every_check(dies: str, tmp_path: Path) -> None:
    ran = run(tmp_path, dies, ".states", ".waits")
    assert ran.code == pytest.ExitCode.TESTS_FAILED, ran.output[-3000:]
    ran.lines.fnmatch_lines(["acme* on Celery *: 0 conform, 0 unsupported, 0 known gaps, * failures"])
