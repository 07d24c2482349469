"""The hooks of a run that has checks of the conformance kit, registered when pytest first sees one."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from typing import Any, Final

import pytest

from . import check_limits
from .activation import choice_of
from .checks import check_of
from .selection import Choice
from .stash import UNDERNEATH
from .verdicts import LACKS, NOT_RUN

PATIENCE: Final[pytest.StashKey[check_limits.Patience]] = pytest.StashKey()

#: Where the fixtures of checks are: they are found beside the kit, and where a class was imported by name.
FIXTURES: Final = "pytest_celery_backends.conformance.fixtures"

#: Checks are about backends: what an app has set for its own tasks is put back to Celery's defaults.
PLAIN: Final[Mapping[str, Any]] = {
    "accept_content": ["json"],
    "result_accept_content": None,
    "result_extended": False,
    "result_serializer": "json",
    "task_ignore_result": False,
    "task_serializer": "json",
    "task_store_errors_even_if_ignored": False,
    "task_track_started": False,
}


def register(config: pytest.Config) -> None:
    """Register these hooks and the kit's fixtures, once."""
    if not config.pluginmanager.has_plugin(FIXTURES):
        config.pluginmanager.import_plugin(FIXTURES)
        config.pluginmanager.register(sys.modules[__name__], "celery-backends-checks")


def pytest_itemcollected(item: pytest.Item) -> None:
    if check_of(getattr(item, "obj", None)) is not None:
        item.stash[UNDERNEATH] = PLAIN


@pytest.hookimpl(wrapper=True, trylast=True)  # within the others, which undo at tear-down what they did
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    if (choice := _choice_of_check(item)) is None:
        return (yield)
    why_not = _patience(item.config).why_not(str(choice))
    if why_not:
        item.stash[NOT_RUN] = True
        pytest.fail(f"not run on {choice}: {why_not}", pytrace=False)
    with check_limits.limited(f"what {item.name} needs", check_limits.LIMIT):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    if _choice_of_check(item) is None:
        return (yield)
    with check_limits.limited(item.name, check_limits.LIMIT):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    if _choice_of_check(item) is None:
        return (yield)
    with check_limits.limited(f"putting back what {item.name} had", check_limits.LIMIT):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    choice = _choice_of_check(item)
    # a failure that was declared has taken its time as well
    failed = report.failed or (LACKS in item.stash and report.skipped)
    if choice is not None and (failed or (report.when == "call" and report.passed)):
        name = getattr(item, "originalname", item.name)
        _patience(item.config).note(str(choice), name, report.duration, failed=failed)
    return report


def _choice_of_check(item: pytest.Item) -> Choice | None:
    """The backend that a check runs on; None for other tests."""
    return choice_of(item) if check_of(getattr(item, "obj", None)) is not None else None


def _patience(config: pytest.Config) -> check_limits.Patience:
    if PATIENCE not in config.stash:
        config.stash[PATIENCE] = check_limits.Patience(check_limits.PATIENCE, in_all=check_limits.IN_ALL)
    return config.stash[PATIENCE]
