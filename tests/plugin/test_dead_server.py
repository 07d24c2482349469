"""A server that dies while tests run: one message, no driver's traceback, and nothing blamed on others."""

from __future__ import annotations

import re

import pytest
from running import RunTests

TESTS = """
import os, signal
pytestmark = pytest.mark.backends("{backend}", "sqlite")

def test_first(result_backend, result_service):
    assert add.delay(1, 1).get(timeout=5) == 2
    if result_backend.name == "{backend}":
        os.killpg(int(result_service._service.handle["pid"]), signal.SIGKILL)

def test_second():
    assert add.delay(1, 1).get(timeout=5) == 2

def test_third():
    assert add.delay(1, 1).get(timeout=5) == 2
"""


@pytest.mark.parametrize("backend", ["redis", "postgres"])
def test_a_server_that_died_is_told_once_and_later_as_before(backend: str, run_tests: RunTests) -> None:
    result = run_tests(TESTS.format(backend=backend))
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["errors"]) == (4, 2)
    text = result.stdout.str()
    assert f"{backend} stopped answering while tests ran" in text
    assert f"{backend} failed earlier in this run: {backend} stopped answering while tests ran" in text
    assert "password=" not in text
    assert "Traceback" not in text
    assert re.search(r"sqlite +3 passed", text)
