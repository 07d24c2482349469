"""Each check of the kit fails on a backend that is wrong, and passes on the same backend where it is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_celery_backends.celery_release import celery_release

pytestmark = pytest.mark.skipif(
    celery_release() < (5, 7),
    reason="what a check can see is shown on the newest Celery: before, some are declared not to hold",
)

HERE: Final = Path(__file__).parent
SUPPORT: Final = HERE.parent / "support"
#: MongoDB comes in no wheel that anybody has to have.
MONGODB: Final = (
    "mongodb",
    "mongodb-goes-by-its-url",
    "mongodb-takes-its-pool-size",
    "mongodb-takes-its-pool-size-drops-its-pool-size",
)
#: Seconds for all of them on a machine that does much else; what never comes is waited for again and again.
LIMIT: Final = 900


class Killing:
    """What a run said: the table, and how each check went on each backend."""

    def __init__(self, told: dict[str, Any], report: dict[str, Any], output: str) -> None:
        self.checks: list[str] = told["checks"]
        self.table: list[dict[str, Any]] = told["table"]
        self.output = output
        self.cells: dict[str, dict[str, str]] = defaultdict(dict)
        for row in report["tests"]:
            name = row["test"].partition("::")[2]
            for backend, outcome in row["outcomes"].items():
                self.cells[name][backend] = outcome["cell"]

    def ran(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each check with each backend that has to fail it, but for those that cannot be had; with CI set all can."""
        for broken in self.table:
            for name in broken["kills"]:
                if self.cells[name].get(broken["whole"]) != "unavailable":
                    yield name, broken


@pytest.fixture(scope="module")
def killing(tmp_path_factory: pytest.TempPathFactory) -> Killing:
    """One run of every check on the backends that have to fail it, and on the same ones whole."""
    place = tmp_path_factory.mktemp("killing")
    told, report = place / "told.json", place / "report.json"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {
        "CONFORMANCE_KILLERS": str(told),
        "PYTHONPATH": f"{HERE}{os.pathsep}{SUPPORT}",
        "COLUMNS": "200",
    }
    kit = ["--pyargs", "pytest_celery_backends.conformance", "-p", "killing", "-p", "no:cacheprovider", "-q"]
    options = [
        f"--celery-backends-provider={each}" for each in ("embedded", *(f"{on}=auto" for on in MONGODB))
    ]
    options += [f"--celery-backends-report={report}", "--tb=short"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *kit, *options, "-n", "2"],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert report.exists(), ran.stdout[-4000:] + ran.stderr[-2000:]
    return Killing(json.loads(told.read_text()), json.loads(report.read_text()), ran.stdout)


def test_every_check_has_a_backend_that_fails_it(killing: Killing) -> None:
    killed = {name for broken in killing.table for name in broken["kills"]}
    assert sorted(set(killing.checks) - killed) == []
    assert sorted(killed - set(killing.checks)) == [], "no such check"


def test_each_check_fails_where_it_has_to(killing: Killing) -> None:
    survived = [
        f"{name} on {broken['name']}: {killing.cells[name].get(broken['name'], 'did not run')}"
        for name, broken in killing.ran()
        if killing.cells[name].get(broken["name"]) not in ("failed", "error")
    ]
    assert not survived, "\n".join(survived)


def test_each_check_passes_where_nothing_is_broken(killing: Killing) -> None:
    wrong = [
        f"{name} on {broken['whole']}: {killing.cells[name].get(broken['whole'], 'did not run')}"
        for name, broken in killing.ran()
        if killing.cells[name].get(broken["whole"]) != "passed"
    ]
    assert not wrong, "\n".join([*wrong, killing.output[-6000:]])
