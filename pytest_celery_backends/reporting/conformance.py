"""How many checks of the conformance kit hold on each backend, and each check's verdict: from the matrix alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from .matrix import Cell, Matrix, Outcome, counted

Verdict = Literal["conform", "unsupported", "known gap", "failure", "skipped", "unavailable"]

VERDICTS: Final[Mapping[Cell, Verdict]] = {
    "passed": "conform",
    "unsupported": "unsupported",
    "xfailed": "known gap",
    "failed": "failure",
    "error": "failure",
    "xpassed": "failure",
    "skipped": "skipped",
    "unavailable": "unavailable",
}


def checks_on(matrix: Matrix, backend: str) -> list[Outcome]:
    """The outcomes of checks on one backend."""
    return [outcome for outcome in matrix.column(backend) if outcome.check]


def summary(matrix: Matrix) -> list[str]:
    """A line for each backend that checks ran on.

    >>> from pytest_celery_backends.reporting.matrix import matrix_of
    >>> check = {"name": "TestStates::test_a", "celery": "5.7.0", "subject": "redis 8.0"}
    >>> summary(matrix_of([Outcome(test="test_a", backend="redis", cell="passed", check=check)]))
    ['redis 8.0 on Celery 5.7.0: 1 conforms, 0 unsupported, 0 known gaps, 0 failures']
    """
    return [_line(name, found) for name in matrix.backends if (found := checks_on(matrix, name))]


def _line(backend: str, outcomes: list[Outcome]) -> str:
    verdicts = [VERDICTS[outcome.cell] for outcome in outcomes]
    told = [outcome.check for outcome in outcomes if outcome.check]
    subject = next((each["subject"] for each in told if each["subject"]), backend)
    conform = verdicts.count("conform")
    counts = [
        f"{conform} conform{'s' if conform == 1 else ''}",
        f"{verdicts.count('unsupported')} unsupported",
        counted(verdicts.count("known gap"), "known gap"),
        counted(verdicts.count("failure"), "failure"),
        *(f"{verdicts.count(each)} {each}" for each in ("skipped", "unavailable") if each in verdicts),
    ]
    return f"{subject} on Celery {told[0]['celery']}: {', '.join(counts)}"


def document(matrix: Matrix) -> Mapping[str, Any] | None:
    """The checks as plain data for JSON; None where none ran."""
    checks = list(_checks(matrix))
    if not checks:
        return None
    backends = [name for name in matrix.backends if checks_on(matrix, name)]
    releases = {
        outcome.check["celery"] for name in backends for outcome in checks_on(matrix, name) if outcome.check
    }
    return {
        "celery": ", ".join(sorted(releases)),
        "backends": [_backend(matrix, name) for name in backends],
        "checks": checks,
    }


def _backend(matrix: Matrix, name: str) -> Mapping[str, Any]:
    outcomes = checks_on(matrix, name)
    verdicts = [VERDICTS[outcome.cell] for outcome in outcomes]
    told = [outcome.check for outcome in outcomes if outcome.check]
    return {
        "name": name,
        "subject": next((each["subject"] for each in told if each["subject"]), name),
        "server": matrix.servers.get(name, ""),
        "counts": {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(VERDICTS.values())},
    }


def _checks(matrix: Matrix) -> Iterator[dict[str, Any]]:
    for row in matrix.rows:
        found = [outcome for outcome in row.outcomes if outcome and outcome.check]
        if not found or not found[0].check:
            continue
        about = {key: value for key, value in found[0].check.items() if key not in ("celery", "subject")}
        verdicts = {
            outcome.backend: {"verdict": VERDICTS[outcome.cell], "reason": outcome.reason}
            for outcome in found
        }
        yield {"check": about.pop("name"), **about, "outcomes": verdicts}
