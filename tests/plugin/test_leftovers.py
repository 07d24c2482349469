"""A suite in which no test may leave anything."""

from __future__ import annotations

import pytest
from running import RunTests

TESTS = """
import pytest

@pytest.fixture
def add(result_worker):
    @result_worker.task(name="add")
    def add():
        return 2

    return add

@pytest.mark.backends("memory")
def test_tidy(add):
    result = add.delay()
    assert result.get(timeout=5) == 2
    result.forget()

@pytest.mark.backends("memory")
def test_untidy(add):
    assert add.delay().get(timeout=5) == 2

@pytest.mark.backends("memory")
def test_wrong(add):
    assert add.delay().get(timeout=5) == 3

def test_without_a_backend():
    pass
"""


@pytest.mark.parametrize(
    ("policy", "passed"),
    [("ignore", 3), ("fail", 2), ("fail except task", 3), ("fail except chord, queue", 2)],
)
def test_what_a_passed_test_may_leave(
    pytester: pytest.Pytester, run_tests: RunTests, policy: str, passed: int
) -> None:
    pytester.makeini(f"[pytest]\ncelery_backends_leftovers = {policy}\n")
    result = run_tests(TESTS, "-rf")
    result.assert_outcomes(passed=passed, failed=4 - passed)
    if passed == 2:
        result.stdout.re_match_lines(
            [
                r"1 leftover on memory [\d.]+: 1 task",
                r"  left: task [\w-]+ SUCCESS \(\d+ bytes\) at .* by add",
                r"  asked for: celery_backends_leftovers=fail \(ini\)",
            ]
        )


BESIDE = """
import threading
import pytest

@pytest.fixture
def end():
    end = threading.Event()
    yield end
    end.set()

@pytest.mark.backends("memory")
def test_leaves_a_thread(result_backend, end):
    threading.Thread(target=end.wait, name="poller", daemon=False).start()

@pytest.mark.backends("memory")
def test_leaves_a_message(result_worker):
    @result_worker.task(name="later", ignore_result=True)
    def later():
        pass
    later.apply_async(countdown=300)
"""


@pytest.mark.parametrize(("policy", "failed"), [("fail", 2), ("fail except thread", 1)])
def test_what_belongs_to_no_task_is_left_too(
    pytester: pytest.Pytester, run_tests: RunTests, policy: str, failed: int
) -> None:
    pytester.makeini(f"[pytest]\ncelery_backends_leftovers = {policy}\n")
    run_tests(BESIDE).assert_outcomes(passed=2 - failed, failed=failed)


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ("never", "'never' is neither ignore, nor fail, nor fail except KINDS"),
        ("fail but chord", "'fail but chord' is neither ignore, nor fail, nor fail except KINDS"),
        (
            "fail except chords",
            "'chords' is no kind of leftover, as task, group, chord, message, other, subscription, queue, table, "
            "thread, connection are",
        ),
    ],
)
def test_a_policy_that_means_nothing(run_tests: RunTests, policy: str, problem: str) -> None:
    result = run_tests(TESTS, f"--celery-backends-leftovers={policy}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --celery-backends-leftovers does not take {policy!r}: {problem}"])
