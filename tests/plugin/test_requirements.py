"""What a backend cannot do is a status of its own, with the reason: UNSUPPORTED, never passed, never skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import RunTests

SOURCE = """
import time
import pytest
from celery import chord, shared_task

@shared_task
def add(x, y):
    return x + y

@shared_task(soft_time_limit=0.02)
def slow():
    time.sleep(0.05)

@shared_task(time_limit=60)
def quick():
    return 1

@pytest.mark.backends("rpc-memory", "memory")
@pytest.mark.backend_requires("chords")
def test_chord():
    assert chord([add.s(1, 1), add.s(2, 2)], add.s(1) | add.s(2)) is not None

@pytest.mark.backends("rpc-memory")
@pytest.mark.backend_requires("groups")
class TestNested:
    @pytest.mark.backend_requires("forget_absent")
    def test_both_marks_count(self):
        pass

@pytest.mark.backends("rpc-memory")
@pytest.mark.backend_requires("chords")
def test_body_and_fixtures_do_not_run(a_fixture):
    pytest.fail("the test ran")

@pytest.fixture
def a_fixture():
    pytest.fail("the fixture ran")

@pytest.mark.backends("rpc-memory", "memory")
def test_without_requirement():
    assert add.delay(1, 1).get(timeout=5) == 2

@pytest.mark.backends("memory")
def test_supports(result_backend):
    assert result_backend.supports("chords")
    assert not result_backend.supports("expiry")

@pytest.mark.backends("memory")
def test_soft_limit():
    slow.delay().get(timeout=5)

@pytest.mark.backends("memory")
def test_limit_that_is_kept():
    assert quick.delay().get(timeout=5) == 1
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("requirements")
    (place / "test_it.py").write_text(SOURCE)
    return place


def run(place: Path, *args: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "celery_backends", *args],
        cwd=place,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout.splitlines()


@pytest.fixture(scope="module")
def verbose(place: Path) -> list[str]:
    """What a run with -v says."""
    return run(place, "-v")


def status(lines: list[str], test: str) -> str:
    return next(line.split()[1] for line in lines if line.startswith(f"test_it.py::{test} "))


def test_a_test_is_unsupported_where_the_backend_lacks_what_it_requires(verbose: list[str]) -> None:
    assert status(verbose, "test_chord[rpc-memory]") == "UNSUPPORTED"


def test_the_same_test_runs_where_the_backend_has_it(verbose: list[str]) -> None:
    assert status(verbose, "test_chord[memory]") == "PASSED"


def test_marks_of_class_and_function_all_count(verbose: list[str]) -> None:
    assert status(verbose, "TestNested::test_both_marks_count[rpc-memory]") == "UNSUPPORTED"


def test_neither_body_nor_fixtures_of_an_unsupported_test_run(verbose: list[str]) -> None:
    assert status(verbose, "test_body_and_fixtures_do_not_run[rpc-memory]") == "UNSUPPORTED"


def test_a_test_without_requirement_runs_everywhere(verbose: list[str]) -> None:
    assert status(verbose, "test_without_requirement[rpc-memory]") == "PASSED"
    assert status(verbose, "test_without_requirement[memory]") == "PASSED"


def test_a_test_can_ask_its_backend_for_a_capability(verbose: list[str]) -> None:
    assert status(verbose, "test_supports[memory]") == "PASSED"


def test_a_limit_that_a_thread_cannot_keep_makes_the_test_unsupported_and_not_passed(
    verbose: list[str],
) -> None:
    assert status(verbose, "test_soft_limit[memory]") == "UNSUPPORTED"


def test_a_limit_that_was_not_reached_changes_nothing(verbose: list[str]) -> None:
    assert status(verbose, "test_limit_that_is_kept[memory]") == "PASSED"


def test_unsupported_tests_are_counted_apart_and_let_the_run_succeed(verbose: list[str]) -> None:
    assert "5 passed, 4 unsupported in " in verbose[-1]


def test_reasons_are_given_once_for_each_backend(verbose: list[str]) -> None:
    told = [line for line in verbose if line.startswith("unsupported: ")]
    assert told[:2] == [
        "unsupported: rpc-memory, 2 tests: Celery refuses chords on rpc://",
        "unsupported: rpc-memory, 1 test: Celery cannot save groups on rpc://",
    ]
    assert told[2].startswith(
        "unsupported: memory, 1 test: soft_time_limit=0.02 of task test_it.slow (it ran for "
    )
    assert told[2].endswith(" s): a thread cannot be interrupted")
    assert len(told) == 3


def test_an_unsupported_test_is_the_letter_u_where_there_is_one_for_each(place: Path) -> None:
    letters = next(line.split()[1] for line in run(place) if line.startswith("test_it.py "))
    assert sorted(letters) == [*".....uuuu"]


@pytest.mark.parametrize("raised", ["SystemExit(4)", "KeyboardInterrupt()", "GeneratorExit()"])
def test_a_worker_that_ends_by_what_a_receiver_raises_fails_the_test(
    raised: str, run_tests: RunTests
) -> None:
    result = run_tests(
        f"""
from celery import signals

def receiver(**kwargs):
    raise {raised}

@pytest.mark.backends("memory")
def test_it(result_worker):
    signals.task_received.connect(receiver)
    try:
        add.delay(1, 1)
        result_worker._lease.worker.thread.join(5)
    finally:
        signals.task_received.disconnect(receiver)
"""
    )
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines([f"*the in-process worker ended while the test ran: {raised}*"])
