"""The hooks of a run that has tests of ours, registered with its Run; each hands over to what does the work."""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator, Sequence
from typing import Any

import pytest

from . import activation, outcomes, xdist
from .checks import check_of
from .masking import compared
from .stash import CAPTURED, RUN, is_ours


def pytest_enter_pdb(pdb: object) -> None:
    from .limits import watch_prompts

    watch_prompts(pdb)


def pytest_itemcollected(item: pytest.Item) -> None:
    if is_ours(item):
        activation.wire_first(item)


@pytest.hookimpl(tryfirst=True)
def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    lines = compared(op, left, right)
    if lines is None and "pytest_celery_backends.timeline" in sys.modules:  # else nobody has one
        from . import timeline

        lines = timeline.compared(op, left, right)
    return lines


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    if any(is_ours(item) for item in session.items):
        from . import starting

        starting.begin(session)


# Around all others: pytest goes through the loggers in its own wrapper, while what starts would import some more.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, Any, Any]:
    if any(is_ours(item) for item in session.items):
        from . import starting

        run = session.config.stash[RUN]
        starting.wait_showing(run.pool, session.config)
        starting.load(run, starting.needed(session))
        if xdist.is_worker(session.config):
            gc.freeze()  # what was imported is not looked through again: its processor has others waiting for it
    return (yield)


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str]:
    if not any(is_ours(item) for item in items):
        return []
    from .starting import planned

    return planned(config.stash[RUN], items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if is_ours(item):
        outcomes.require_capabilities(item, item.config.stash[RUN])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    result = yield
    if is_ours(item):
        outcomes.check_worker(item)
        outcomes.check_leftovers(item)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if not is_ours(item):
        return (yield)
    raised = None if call.excinfo is None else call.excinfo.value
    outcomes.note_limits(item, raised)
    if raised is not None:
        from . import failures

        failures.add_sections(item, call.when, raised)
    report = yield
    if check_of(getattr(item, "obj", None)) is not None:
        from . import verdicts

        verdicts.judge(item, report)
    outcomes.mark_report(item, report, raised)
    if report.failed:
        from . import bundles

        bundles.write_bundles(item, report)
    if call.when == "teardown" and CAPTURED in item.stash:
        del item.stash[CAPTURED]  # an app's settings for each test of a long run
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for text in config.stash[RUN].said_at_end:
        terminalreporter.write_line(f"celery backends: {text}")


def pytest_unconfigure(config: pytest.Config) -> None:
    run = config.stash[RUN]
    run.close()
    for line in run.kept:  # where the run broke off, there was no summary to say it
        sys.stderr.write(f"celery backends: left running: {line}\n")
