"""From a test's reports to the matrix: outcomes travel as plain strings on the reports."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import pytest

from .activation import choice_of, is_foreign
from .checks import check_of
from .errors import Unavailable, Unsupported
from .spec import BackendSpec
from .stash import LEASE, OPTIONS, SERVER, UNAVAILABLE, UNSUPPORTED
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


def check_leftovers(item: pytest.Item) -> None:
    """Fail a test that left something, where the run is told to."""
    options = item.config.stash[OPTIONS]
    policy, _, kinds = str(options["celery_backends_leftovers"]).partition(" except ")
    if policy == "ignore":
        return
    try:
        item.funcargs["result_backend"].assert_no_leftovers(ignore=list(filter(None, kinds.split(","))))  # type: ignore[attr-defined]
    except AssertionError as error:
        source = options.source("celery_backends_leftovers")
        message = f"{error}\n  asked for: celery_backends_leftovers={policy} ({source})"
    else:
        return
    pytest.fail(message, pytrace=False)


def note_limits(item: pytest.Item, raised: BaseException | None) -> None:
    """Remember what the test asked for that a thread, or its backend, cannot do."""
    lease = item.stash.get(LEASE, None)
    if lease is None:
        return
    if isinstance(raised, Unsupported) and raised.cause not in lease.lacks:
        lease.unsupported(raised)  # by a check, or by the test itself
    lacks = [*lease.lacks, *(lease.worker.ledger.unsupported if lease.worker else ())]
    if lacks:
        item.stash[UNSUPPORTED] = "; ".join(lacks)


def mark_report(item: pytest.Item, report: pytest.TestReport, raised: BaseException | None) -> None:
    """Write on the report what the matrix needs; it crosses processes as part of the report."""
    choice = choice_of(item)
    if choice is None:
        return
    report.sections = [(title, _encodable(text)) for title, text in report.sections]
    unsupported = item.stash.get(UNSUPPORTED, "")
    if unsupported and _is_about_limits(report.when, raised):
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
        "reason": unsupported or item.stash.get(UNAVAILABLE, "") or getattr(report, "wasxfail", ""),
        "seconds": report.duration,
        "server": item.stash.get(SERVER, ""),
    }
    if check_of(getattr(item, "obj", None)) is not None:
        from .verdicts import described

        data["check"] = described(item)
    setattr(report, ATTRIBUTE, data)


def _encodable(text: str) -> str:
    """Text that UTF-8 can carry: a task logs what it likes, and pytest-xdist ends the run over half a character.

    >>> _encodable("a" + chr(0xD800)) == "a" + chr(92) + "ud800"
    True
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_about_limits(when: str | None, raised: BaseException | None) -> bool:
    """Whether a test that asked for what is impossible here passed all the same, or failed for want of it.

    A fixture may have found that out. A task that was to be ended is told of by what Celery would have raised, or by
    an assertion that names that.
    """
    if when != "call":
        return when == "setup" and isinstance(raised, Unsupported)
    signs = ("TimeLimitExceeded", "Terminated")
    told = f"{type(raised).__name__}: {raised}"
    return raised is None or isinstance(raised, Unsupported) or any(sign in told for sign in signs)


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
