"""What becomes of a check, given how it went and what is declared of the backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from celery import __version__ as celery_version

from pytest_celery_backends import Capability, check, except_on, no
from pytest_celery_backends.backends import memory
from pytest_celery_backends.celery_release import celery_release
from pytest_celery_backends.checks import check_of

CHECKS: Final = """
import pytest
from pytest_celery_backends import Unsupported, check, except_on, no, not_yet

@pytest.fixture
def concerned(result_backend):
    if result_backend.name == "memory":
        raise Unsupported("concerns others", remedy="--celery-backends=sqlite")

class TestVerdicts:
    @check("core")
    def test_holds(self, result_backend):
        '''A document.'''

    @check("core")
    def test_fails(self, result_backend):
        '''A document.'''
        assert result_backend.name == ""

    @except_on("memory", verdict=no("by design"))
    @check("core")
    def test_cannot(self, result_backend):
        '''A document.'''
        assert result_backend.name == "sqlite"

    @except_on("memory", verdict=not_yet("nobody did it", "celery#1"))
    @check("core")
    def test_cannot_yet(self, result_backend):
        '''A document.'''
        assert result_backend.name == "sqlite"

    @except_on("memory", verdict=not_yet("nobody did it", "celery#1"))
    @except_on("sqlite", verdict=not_yet("nobody did it either", "celery#1"), until=(5, 0))
    @check("core")
    def test_can_after_all(self, result_backend):
        '''A document.'''

    @except_on("memory", verdict=no("before it was mended"), until=(5, 0))
    @check("core")
    def test_was_mended(self, result_backend):
        '''A document.'''

    @check("expiry")
    def test_lacks(self, result_backend):
        '''A document.'''
        assert result_backend.name == "sqlite"

    @check("expiry")
    def test_lacks_nothing(self, result_backend):
        '''A document.'''

    @check("core")
    def test_asks_what_cannot_be_asked(self, result_backend):
        '''A document.'''
        if result_backend.name == "memory":
            raise Unsupported("has no such thing", remedy="--celery-backends=sqlite")

    @check("core")
    def test_is_about_others(self, concerned):
        '''A document.'''

    @check("core")
    def test_of_which_the_spec_knows(self, result_backend):
        '''A document.'''
        assert result_backend.name == "memory"

pytestmark = pytest.mark.celery(result_extended=True)

@check("core")
def test_alone(result_app):
    '''A document.'''
    assert result_app.conf.result_extended and not result_app.conf.task_track_started
"""
CONFTEST: Final = """
from dataclasses import replace
import pytest
from pytest_celery_backends import not_yet

def pytest_celery_backends_register(registry):
    checks = {"test_of_which_the_spec_knows": not_yet("acme is young", "acme#7"),
              "test_holds": not_yet("it does", "acme#8")}
    registry.register(replace(registry.get("memory"), name="acme", checks=checks))

@pytest.fixture(scope="session")
def celery_backends_settings():
    return {"task_track_started": True}
"""


class Ran:
    """What a run said of each check, and printed."""

    def __init__(self, result: pytest.RunResult, report: dict[str, Any]) -> None:
        self.result = result
        self.report = report["conformance"]
        self.checks = {each["check"]: each for each in self.report["checks"]}

    def verdict(self, name: str, backend: str = "memory") -> tuple[str, str]:
        found = self.checks[f"TestVerdicts::{name}"]["outcomes"][backend]
        return found["verdict"], found["reason"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """One run of a class of checks on memory, sqlite and a backend of a conftest."""
    place = tmp_path_factory.mktemp("verdicts")
    (place / "test_verdicts.py").write_text(CHECKS)
    (place / "conftest.py").write_text(CONFTEST)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--celery-backends=memory,sqlite,acme",
    ]
    done = subprocess.run(
        [*command, "--celery-backends-report=report.json"],
        cwd=place,
        env={**environment, "COLUMNS": "150"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = done.stdout.splitlines()
    result = pytest.RunResult(done.returncode, lines, done.stderr.splitlines(), 0)
    return Ran(result, json.loads(Path(place, "report.json").read_text()))


def test_a_check_that_holds_conforms(ran: Ran) -> None:
    assert ran.verdict("test_holds") == ("conform", "")


def test_a_check_may_be_a_function_of_a_module_with_settings(ran: Ran) -> None:
    assert ran.checks["test_verdicts::test_alone"]["outcomes"]["memory"]["verdict"] == "conform"


def test_a_check_that_does_not_hold_is_a_failure(ran: Ran) -> None:
    assert ran.verdict("test_fails")[0] == "failure"


def test_what_is_declared_to_be_by_design_is_unsupported(ran: Ran) -> None:
    assert ran.verdict("test_cannot") == ("unsupported", "by design")
    assert ran.verdict("test_cannot", "sqlite")[0] == "conform"


def test_what_is_declared_to_come_is_a_known_gap(ran: Ran) -> None:
    assert ran.verdict("test_cannot_yet") == ("known gap", "known gap on memory: nobody did it (celery#1)")


def test_what_works_after_all_is_a_failure_that_says_what_to_change(ran: Ran) -> None:
    assert ran.verdict("test_can_after_all")[0] == "failure"
    line = 1 + CHECKS.splitlines().index("    def test_can_after_all(self, result_backend):") - 3
    ran.result.stdout.fnmatch_lines(
        [
            "test_can_after_all passes on memory, where it is declared that it does not: not_yet('nobody did it')",
            f"  declared at: *test_verdicts.py:{line}",
            f"  type: until={celery_release()} in that @except_on(...), or remove 'memory' from it",
        ]
    )


def test_what_was_declared_for_other_releases_says_nothing(ran: Ran) -> None:
    assert ran.verdict("test_was_mended")[0] == "conform"


def test_a_lack_of_the_capability_is_unsupported(ran: Ran) -> None:
    reason = "cache+memory:// takes result_expires and never expires anything"
    assert ran.verdict("test_lacks") == ("unsupported", reason)


def test_a_lack_that_works_after_all_is_a_failure_that_says_what_to_change(ran: Ran) -> None:
    assert ran.verdict("test_lacks_nothing")[0] == "failure"
    source = Path(memory.__file__).read_text(encoding="utf-8").splitlines()
    line = 1 + next(n for n, text in enumerate(source) if "Capability.EXPIRY: no(" in text)
    ran.result.stdout.fnmatch_lines(
        [
            "test_lacks_nothing passes on memory, where it is declared that it does not: no(*)",
            f"  declared at: pytest_celery_backends/backends/memory.py:{line}",
            "  type: remove Capability.EXPIRY from the limits of the BackendSpec 'memory'",
        ]
    )


def test_what_cannot_be_asked_of_a_backend_is_unsupported_with_its_reason(ran: Ran) -> None:
    assert ran.verdict("test_asks_what_cannot_be_asked") == ("unsupported", "has no such thing")
    assert ran.verdict("test_is_about_others") == ("unsupported", "concerns others")
    assert ran.verdict("test_is_about_others", "sqlite") == ("conform", "")
    ran.result.stdout.fnmatch_lines(["unsupported: memory, 1 test: concerns others"])
    ran.result.stdout.no_fnmatch_line("*skipped*")


def test_a_spec_may_know_of_single_checks(ran: Ran) -> None:
    assert ran.verdict("test_of_which_the_spec_knows", "acme") == (
        "known gap",
        "known gap on acme: acme is young (acme#7)",
    )
    assert ran.verdict("test_holds", "acme")[0] == "failure"
    line = 1 + next(n for n, text in enumerate(CONFTEST.splitlines()) if "acme#8" in text)
    ran.result.stdout.fnmatch_lines(
        [
            "test_holds passes on acme, where it is declared that it does not: not_yet('it does')",
            f"  declared at: *conftest.py:{line}",
            "  type: remove 'test_holds' from the checks of the BackendSpec 'acme'",
        ]
    )


def test_a_line_for_each_backend_counts_the_verdicts(ran: Ran) -> None:
    ran.result.stdout.fnmatch_lines(
        [
            f"memory * on Celery {celery_version}: 4 conform, 4 unsupported, 1 known gap, 3 failures",
            f"sqlite * on Celery {celery_version}: 10 conform, 0 unsupported, 0 known gaps, 2 failures",
        ]
    )
    assert ran.report["celery"] == celery_version
    memory = ran.report["backends"][0]
    assert (memory["name"], memory["counts"]["conform"], memory["counts"]["known gap"]) == ("memory", 4, 1)


def test_the_report_says_what_a_check_rests_on(ran: Ran) -> None:
    found = ran.checks["TestVerdicts::test_lacks"]
    assert (found["capability"], found["rests_on"], found["topic"]) == (
        "expiry",
        "A document.",
        "test_verdicts",
    )
    assert ran.checks["TestVerdicts::test_holds"]["capability"] == "core"


def test_a_check_needs_a_capability_that_exists() -> None:
    with pytest.raises(TypeError, match="no capability is called 'chord': did you mean 'chords'"):
        check("chord")


def test_a_check_needs_a_document_to_rest_on() -> None:
    def test_nothing() -> None: ...

    with pytest.raises(TypeError, match="test_nothing names no document that it rests on"):
        check("core")(test_nothing)


def test_an_exemption_is_noted_above_and_below_the_check() -> None:
    def test_something() -> None:
        """A document."""

    release = celery_release()
    above = except_on("acme", verdict=no("never"), until=release)
    below = except_on("acme", verdict=no("now"), since=release)
    found = check_of(above(check("chords")(below(test_something))))
    assert found is not None
    assert found.capability is Capability.CHORDS
    assert [each.verdict.reason for each in found.exemptions if each.covers("acme", release)] == ["now"]
    assert not any(each.covers("redis", release) for each in found.exemptions)


def test_what_is_no_check_is_none() -> None:
    assert check_of(test_what_is_no_check_is_none) is None
    assert check_of(except_on("acme", verdict=no("never"))(lambda: None)) is None
