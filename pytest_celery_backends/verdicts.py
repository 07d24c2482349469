"""What the outcome of a check means on a backend, given what is declared: conform, unsupported, known gap, failure."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import pytest

from .activation import choice_of
from .capabilities import Verdict
from .celery_release import celery_release
from .checks import CORE, Check, check_of
from .spec import BackendSpec
from .stash import RUN, UNAVAILABLE, UNSUPPORTED

#: That a check does not hold, as was declared.
LACKS: Final[pytest.StashKey[bool]] = pytest.StashKey()
#: That a check was not run, which says nothing of what is declared.
NOT_RUN: Final[pytest.StashKey[bool]] = pytest.StashKey()

WORKS: Final = """\
{check} passes on {backend}, where it is declared that it does not: {answer}({reason!r})
  declared at: {place}
  type: {change}"""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """That a check does not hold on a backend, where that is written, and what to do about it once it holds."""

    verdict: Verdict
    place: str
    change: str


def declared(check: Check, name: str, spec: BackendSpec) -> Declared | None:
    """What is declared to be lacking: the spec's word on the check wins, then the check's own, then the capability.

    Arguments:
        name: the check's, as in "test_a_task_that_returned_is_successful".
    """
    if name in spec.checks:
        change = f"remove {name!r} from the checks of the BackendSpec {spec.name!r}"
        return _lack(spec.checks[name], spec.checks[name].place, change)
    release = celery_release()
    for exemption in check.exemptions:
        if exemption.covers(spec.name, release):
            change = f"until={release} in that @except_on(...), or remove {spec.name!r} from it"
            return _lack(exemption.verdict, exemption.place, change)
    if check.capability is None:
        return None
    verdict = spec.verdict(check.capability)
    change = f"remove Capability.{check.capability.name} from the limits of the BackendSpec {spec.name!r}"
    return _lack(verdict, verdict.place, change)


def _lack(verdict: Verdict, place: str, change: str) -> Declared | None:
    return None if verdict else Declared(verdict=verdict, place=place, change=change)


def judge(item: Any, report: pytest.TestReport) -> None:
    """Write on the report of a check what its outcome means where something is declared."""
    check, choice = check_of(item.obj), choice_of(item)
    if check is None or choice is None or UNAVAILABLE in item.stash:
        return
    if LACKS in item.stash:
        _forgive(report)
        return
    if UNSUPPORTED in item.stash or NOT_RUN in item.stash:
        return
    name = item.originalname
    found = declared(check, name, item.config.stash[RUN].spec(choice))
    if found is None or report.when == "teardown" or report.skipped:
        return
    if report.failed:
        _lacks(item, report, found.verdict, str(choice))
    elif report.when == "call":
        report.outcome = "failed"
        report.longrepr = WORKS.format(
            check=name,
            backend=choice,
            answer=found.verdict.answer.replace(" ", "_"),
            reason=found.verdict.reason,
            place=found.place,
            change=found.change,
        )


def _lacks(item: Any, report: pytest.TestReport, verdict: Verdict, choice: str) -> None:
    reason = f"{verdict.reason} ({verdict.issue})" if verdict.issue else verdict.reason
    item.stash[LACKS] = True
    report.outcome = "skipped"
    if verdict.answer == "not yet":
        report.wasxfail = f"known gap on {choice}: {reason}"
    else:
        item.stash[UNSUPPORTED] = reason
        location = item.location
        report.longrepr = (location[0], (location[1] or 0) + 1, f"unsupported on {choice}: {reason}")


def _forgive(report: pytest.TestReport) -> None:
    """What a check that does not hold leaves behind, such as a worker that died of it, is part of that."""
    if report.failed:
        report.outcome = "passed"
        report.sections.append(("what it left behind", report.longreprtext))


def described(item: Any) -> Mapping[str, str] | None:
    """What reports say of a check, as plain strings; None where an item is none."""
    check = check_of(getattr(item, "obj", None))
    if check is None:
        return None
    module = item.obj.__module__.rpartition(".")[2]
    owner, _, test = item.obj.__qualname__.rpartition(".")
    subject = getattr(item.funcargs.get("result_backend"), "subject", "")
    return {
        "name": f"{owner or module}::{test}",
        "topic": module,
        "capability": check.capability.label if check.capability else CORE,
        "rests_on": inspect.getdoc(item.obj) or "",
        "celery": version("celery"),
        "subject": subject,
    }
