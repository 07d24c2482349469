"""From a test's reports to the matrix: outcomes travel as plain strings on the reports."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import pytest

from .activation import choice_of, is_foreign
from .errors import BackendsError, Unavailable
from .spec import BackendSpec
from .stash import LEASE, SERVER, UNAVAILABLE, UNSUPPORTED
from .summary import ATTRIBUTE


def require_capabilities(item: pytest.Item, run: Any) -> None:
    """Stop a test before its set-up where its backend lacks what it requires, or cannot be had."""
    choice = choice_of(item)
    if choice is None:
        return
    lack = missing_capability(item, run.spec(choice))
    if lack is not None:
        item.stash[UNSUPPORTED] = lack
        pytest.skip(f"unsupported on {choice}: {lack}")
    plan = run.plan(choice)
    if plan.error is not None:
        leave_out(item, run, plan.error)


def leave_out(item: pytest.Item, run: Any, error: Unavailable) -> NoReturn:
    """Skip or fail a test whose backend is not to be had, as the options say."""
    item.stash[UNAVAILABLE] = "; ".join([error.cause, *error.tried, f"type: {error.remedy}"])
    choice = choice_of(item)
    if choice is not None and run.options.skips_unavailable(choice.name):
        pytest.skip(f"unavailable: {error}")
    pytest.fail(str(error), pytrace=False)


def missing_capability(item: pytest.Item, spec: BackendSpec) -> str | None:
    """Why a backend cannot do what a test requires, None where it can."""
    from . import markers

    for mark in item.iter_markers("backend_requires"):
        for capability in markers.read("backend_requires", mark.args, mark.kwargs):
            verdict = spec.verdict(capability)
            if not verdict:
                return verdict.reason
    return None


def refuse_late_mark(item: pytest.Item, run: Any) -> None:
    """Stop a test whose marker came when its parameters were chosen: it would run on production's servers."""
    mark = item.get_closest_marker("backends")
    if mark is None or is_foreign(item.config, mark, run):
        return
    names = ", ".join(map(repr, mark.args))
    pytest.fail(
        f"@pytest.mark.backends({names}) came too late for {item.name}: its parameters were chosen before\n"
        "  seen: the marker on a parameter (pytest.param(..., marks=...)), or added while collecting\n"
        "  without it the test would run on the servers of the app's own settings\n"
        f"  type: @pytest.mark.backends({names})  # on the function, the class or the module",
        pytrace=False,
    )


def check_worker(item: pytest.Item) -> None:
    """Fail a test whose tasks raised what ends a worker process; it would go unseen otherwise."""
    lease = item.stash.get(LEASE, None)
    if lease is None or lease.worker is None:
        return
    error = lease.worker_error()
    if error is not None:
        raise pytest.fail.Exception(str(error), pytrace=False)


def note_limits(item: pytest.Item) -> None:
    """Remember what the test asked for that a thread cannot do."""
    lease = item.stash.get(LEASE, None)
    if lease is not None and lease.worker is not None and lease.worker.ledger.unsupported:
        item.stash[UNSUPPORTED] = "; ".join(lease.worker.ledger.unsupported)


def add_sections(item: pytest.Item, when: str, raised: BaseException) -> None:
    """Give a failed test what its worker logged, what was stored, and what the error knows beyond that."""
    if isinstance(raised, BackendsError) and raised.log:
        item.add_report_section(when, raised.log_title, raised.log)
    lease = item.stash.get(LEASE, None)
    if lease is None:
        return
    if lease.log.text:
        item.add_report_section(when, "celery worker", lease.log.text)
    timelines = lease.recorder.timelines()
    if timelines:
        lines = [f"{timeline.task_id}: {timeline}" for timeline in timelines[-20:]]
        item.add_report_section(when, "celery timelines", "\n".join(lines))


def mark_report(item: pytest.Item, report: pytest.TestReport) -> None:
    """Write on the report what the matrix needs; it crosses processes as part of the report."""
    choice = choice_of(item)
    if choice is None:
        return
    unsupported = item.stash.get(UNSUPPORTED, "")
    if unsupported and report.when == "call" and _is_about_limits(report):
        report.outcome = "skipped"
        location = item.location
        report.longrepr = (location[0], (location[1] or 0) + 1, f"unsupported on {choice}: {unsupported}")
    cell = _cell(item, report)
    if cell == "passed" and report.when != "call":
        return  # says nothing about the test, and would cross to xdist's controller for nothing
    data = {
        "test": without_backend(item.nodeid, item.callspec.id, str(choice)),  # type: ignore[attr-defined]
        "backend": str(choice),
        "cell": cell,
        "reason": unsupported or item.stash.get(UNAVAILABLE, ""),
        "seconds": report.duration,
        "server": item.stash.get(SERVER, ""),
    }
    setattr(report, ATTRIBUTE, data)


def _is_about_limits(report: pytest.TestReport) -> bool:
    """Whether a test that asked for what a thread cannot do passed all the same, or failed for want of it."""
    return (
        not report.failed or "TimeLimitExceeded" in report.longreprtext or "Terminated" in report.longreprtext
    )


def _cell(item: pytest.Item, report: pytest.TestReport) -> str:
    if item.stash.get(UNSUPPORTED, "") and not report.failed:
        return "unsupported"
    if item.stash.get(UNAVAILABLE, ""):
        return "unavailable"
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    return report.outcome


def without_backend(nodeid: str, ids: str, choice: str) -> str:
    """The node id without the backend's part of the parameter id.

    >>> without_backend("t.py::test_b[redis-1]", "redis-1", "redis")
    't.py::test_b[1]'
    >>> without_backend("t.py::test_b[redis]", "redis", "redis")
    't.py::test_b'

    What xdist adds behind it, the test's group, is left out:

    >>> without_backend("t.py::test_b[redis]@group", "redis", "redis")
    't.py::test_b'
    """
    head = nodeid.rpartition(f"[{ids}]")[0]
    rest = re.sub(rf"(?:^|-){re.escape(choice)}(?=-|$)", "", ids, count=1).lstrip("-")
    return f"{head}[{rest}]" if rest else head
