"""What checks of the conformance kit said on several backends and releases of Celery, out of many reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from packaging.version import Version

from ..errors import BackendsError
from .conformance import Verdict

#: Changes when a reader of the file has to.
SCHEMA: Final = 1
#: Of a check that ran more than once, the first of these that it gave counts.
WORST_FIRST: Final[tuple[Verdict, ...]] = (
    *("failure", "known gap", "unsupported", "conform", "skipped", "unavailable"),
)


class BadReport(BackendsError):
    """A file that is no report of the conformance kit, or contradicts another."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check as its report describes it: ``name`` is ``TestClass::test_sentence``."""

    name: str
    topic: str
    capability: str
    rests_on: str

    @property
    def sentence(self) -> str:
        """The check's name as words.

        >>> Check(name="TestStates::test_a_task_that_returned", topic="states", capability="core", rests_on="").sentence
        'a task that returned'
        """
        return self.name.rpartition("::")[2].removeprefix("test_").replace("_", " ")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one check said on one backend; ``reason`` is empty where it conforms."""

    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """All that was said on one backend, on one release of Celery, by check; ``report`` is the file it is from."""

    subject: str
    server: str
    answers: dict[str, Answer]
    report: str = ""


@dataclass(frozen=True, kw_only=True)
class Merged:
    """Checks by name, and columns by release of Celery and by backend."""

    checks: dict[str, Check] = field(default_factory=dict)
    releases: dict[str, dict[str, Column]] = field(default_factory=dict)

    @property
    def ordered_releases(self) -> list[str]:
        """The releases, oldest first."""
        return sorted(self.releases, key=Version)

    @property
    def topics(self) -> dict[str, list[Check]]:
        """The checks of each topic, both in the order of their names."""
        found: dict[str, list[Check]] = {}
        for check in sorted(self.checks.values(), key=lambda each: (each.topic, each.name)):
            found.setdefault(check.topic, []).append(check)
        return found


def merge(reports: Mapping[str, Mapping[str, Any]]) -> Merged:
    """One of many.

    Arguments:
        reports: by name of their files, the contents of reports (``celery_backends_report=FILE.json``) of runs in which
            checks ran, or of files that were merged before.

    Raises:
        BadReport: for one without checks, and for two that have run one backend on one Celery on different servers.
    """
    merged = Merged()
    for name, report in reports.items():
        for release, columns in _read(name, report, merged.checks).items():
            found = merged.releases.setdefault(release, {})
            for backend, column in columns.items():
                found[backend] = _joined(release, backend, found.get(backend), column)
    return merged


def document(merged: Merged) -> dict[str, Any]:
    """What was merged as plain data: of each column what does not conform, and what did not run."""
    return {
        "schema": SCHEMA,
        "checks": {
            name: {"topic": each.topic, "capability": each.capability, "rests_on": each.rests_on}
            for name, each in sorted(merged.checks.items())
        },
        "releases": {
            release: {
                name: _told(merged, column) for name, column in sorted(merged.releases[release].items())
            }
            for release in merged.ordered_releases
        },
    }


def _told(merged: Merged, column: Column) -> dict[str, Any]:
    differs = {
        name: {"verdict": answer.verdict, "reason": answer.reason}
        for name, answer in sorted(column.answers.items())
        if answer.verdict != "conform"
    }
    missing = sorted(merged.checks.keys() - column.answers.keys())
    return {"subject": column.subject, "server": column.server, "differs": differs, "not run": missing}


def _read(name: str, report: Mapping[str, Any], checks: dict[str, Check]) -> dict[str, dict[str, Column]]:
    """The columns of one report, by release and backend; what it says of checks is added to those that are known."""
    try:
        columns = _columns(name, report, checks)
        _ = sorted(columns, key=Version)  # as they will be
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        seen = f"{type(error).__name__}: {error}"
    else:
        if columns:
            return columns
        seen = f"it has {', '.join(report) or 'nothing'}, and no checks"
    raise BadReport(
        f"{name} is no report of the conformance kit",
        tried=[seen],
        remedy="pytest --pyargs pytest_celery_backends.conformance --celery-backends-report=report.json",
    )


def _columns(name: str, report: Mapping[str, Any], checks: dict[str, Check]) -> dict[str, dict[str, Column]]:
    if "releases" in report:
        return _read_merged(name, report, checks)
    return _read_run(name, report["conformance"], checks) if "conformance" in report else {}


def _read_run(name: str, told: Mapping[str, Any], checks: dict[str, Check]) -> dict[str, dict[str, Column]]:
    columns: dict[str, Column] = {
        each["name"]: Column(subject=each["subject"], server=each["server"], answers={}, report=name)
        for each in told["backends"]
    }
    for each in told["checks"]:
        checks[each["check"]] = _check(each["check"], each)
        for backend, outcome in each["outcomes"].items():
            _add(columns[backend].answers, each["check"], _answer(outcome))
    return {told["celery"]: columns}


def _read_merged(
    name: str, report: Mapping[str, Any], checks: dict[str, Check]
) -> dict[str, dict[str, Column]]:
    if report["schema"] != SCHEMA:
        raise ValueError(f"its schema is {report['schema']}, not {SCHEMA}")
    known = {check: _check(check, told) for check, told in report["checks"].items()}
    checks.update(known)
    return {
        release: {
            backend: Column(
                subject=told["subject"],
                server=told["server"],
                answers={
                    **{check: Answer(verdict="conform") for check in known if check not in told["not run"]},
                    **{check: _answer(outcome) for check, outcome in told["differs"].items()},
                },
                report=name,
            )
            for backend, told in columns.items()
        }
        for release, columns in report["releases"].items()
    }


def _check(name: str, told: Mapping[str, Any]) -> Check:
    rests_on = " ".join(told["rests_on"].split())
    return Check(name=name, topic=told["topic"], capability=told["capability"], rests_on=rests_on)


def _answer(told: Mapping[str, Any]) -> Answer:
    return Answer(verdict=told["verdict"], reason=" ".join(told["reason"].split()))


def _joined(release: str, backend: str, one: Column | None, other: Column) -> Column:
    """Two columns of one backend on one Celery; what is bad in either is bad."""
    if one is None:
        return other
    if one.server and other.server and one.server != other.server:
        raise BadReport(
            f"{backend} on Celery {release} was {one.server} in {one.report} and {other.server} in {other.report}",
            tried=["a column is one server: the two may behave differently"],
            remedy=f"python -m pytest_celery_backends merge  # with {one.report} or {other.report}, not with both",
        )
    for check, answer in other.answers.items():
        _add(one.answers, check, answer)
    ran = other if other.server else one
    return replace(ran, answers=one.answers)


def _add(answers: dict[str, Answer], check: str, answer: Answer) -> None:
    """Add what a check said once more: for another value, elsewhere, or in another report."""
    said = (answers.get(check, answer), answer)
    answers[check] = min(said, key=lambda each: WORST_FIRST.index(each.verdict))
