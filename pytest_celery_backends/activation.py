"""Lets the marker alone switch a test on, and gives each test its backends as parameters."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Final
from unittest import TestCase

import pytest

from . import markers
from .errors import BackendsError
from .run import Run
from .selection import Choice

#: The parameter's name; ids show the backend's name.
PARAMETER: Final = "_celery_backend"
FIXTURE: Final = "result_backend"

TEST_CASE: Final = """\
{name} is a unittest.TestCase, whose methods pytest cannot parametrize,
so {asked} cannot run them on each backend
  tried: pytest calls no pytest_generate_tests for methods of a TestCase
  way out: a plain class keeps its methods, and may use fixtures
  type: class {name}:"""

TOO_LATE: Final = """\
result_backend was asked for while the test was running already
  type: @pytest.mark.backends("redis")  # on the test"""

FOREIGN: Final = (
    "a 'backends' marker was left alone: another plugin declares one, and none of its names "
    "({names}) is a result backend of pytest-celery-backends"
)


def activate(collector: pytest.Collector, obj: object, run: Run) -> None:
    """Make a marked test use the fixture: names added while tests are generated would be pruned again."""
    if isinstance(obj, type) and issubclass(obj, TestCase):
        _refuse_test_case(collector, obj)
        return
    node: Any = collector
    inherited = node.get_closest_marker("backends")
    active = any(FIXTURE in mark.args for mark in node.iter_markers("usefixtures"))
    if inherited and not active and not is_foreign(node.config, inherited, run):
        node.add_marker(pytest.mark.usefixtures(FIXTURE))
    if isinstance(obj, (staticmethod, classmethod)):
        obj = obj.__func__
    if callable(obj) and not isinstance(obj, type):
        _activate_function(node.config, obj, run)


def _activate_function(config: pytest.Config, function: Any, run: Run) -> None:
    marks = marks_of(function)
    own = [mark for mark in marks if mark.name == "backends"]
    active = any(mark.name == "usefixtures" and FIXTURE in mark.args for mark in marks)
    if own and not active and not is_foreign(config, own[-1], run):
        pytest.mark.usefixtures(FIXTURE)(function)


def marks_of(obj: object) -> list[pytest.Mark]:
    """The marks that stand on an object itself, given as a list or as a single one."""
    own: Any = getattr(obj, "pytestmark", [])
    marks: list[Any] = own if isinstance(own, list) else [own]
    return [getattr(mark, "mark", mark) for mark in marks]


def is_foreign(config: pytest.Config, mark: pytest.Mark, run: Run) -> bool:
    """Whether a ``backends`` marker is another plugin's: someone else declared one, and no name is ours."""
    lines = {line for line in config.getini("markers") if re.match(r"backends\b", line)}
    if len(lines) < 2 or not mark.args:
        return False
    known = run.registry.names
    names = [str(name).partition(":")[0] for name in mark.args]
    if any(name in known or get_close_matches(name, known) for name in names):
        return False
    if not run.has_said_foreign:
        run.has_said_foreign = True
        warnings.warn(
            pytest.PytestWarning(FOREIGN.format(names=", ".join(map(repr, mark.args)))), stacklevel=2
        )
    return True


def _refuse_test_case(collector: pytest.Collector, case: type[TestCase]) -> None:
    members = {name: value for each in reversed(case.__mro__) for name, value in vars(each).items()}
    holders = [*case.__mro__, *(value for name, value in members.items() if name.startswith("test"))]
    marks = [mark for holder in holders for mark in marks_of(holder) if mark.name == "backends"]
    marks += list(collector.iter_markers("backends"))
    if marks:
        names = ", ".join(map(repr, marks[0].args))
        asked = f"@pytest.mark.backends({names})"
        raise collector.CollectError(TEST_CASE.format(name=case.__name__, asked=asked))


def without_parameters(item: Any) -> str:
    """Why a test that asks for the fixture has no backend as a parameter."""
    case = getattr(item, "cls", None)
    if case is not None and issubclass(case, TestCase):
        return TEST_CASE.format(name=case.__name__, asked=FIXTURE)
    return TOO_LATE


def parametrize(metafunc: pytest.Metafunc, run: Run) -> None:
    """Give a test one parameter for each of its backends."""
    if PARAMETER not in metafunc.fixturenames:
        return
    try:
        marked = _names(_closest(metafunc.definition))
        for required in metafunc.definition.iter_markers("backend_requires"):
            markers.read("backend_requires", required.args, required.kwargs)
        found = run.choices(marked)
    except BackendsError as error:
        message = str(error)
    else:
        metafunc.parametrize(
            PARAMETER, found, ids=[str(choice) for choice in found], indirect=True, scope="session"
        )
        return
    pytest.fail(message, pytrace=False)


def _names(marks: Sequence[pytest.Mark]) -> list[str] | None:
    """The names in several marks, none where one of them means all; None without marks."""
    each = [markers.read("backends", mark.args, mark.kwargs) for mark in marks]
    if not each:
        return None
    return [name for names in each for name in names] if all(each) else []


def _closest(node: pytest.Item) -> list[pytest.Mark]:
    """The marks of the closest of function, class and module that has any, in written order."""
    for each in node.iter_parents():
        marks = [mark for mark in each.own_markers if mark.name == "backends"]
        if marks:
            return _in_written_order(getattr(each, "obj", None), marks)
    return []


def _in_written_order(obj: object, marks: list[pytest.Mark]) -> list[pytest.Mark]:
    """Of a class, its own marks in place of inherited ones, of which pytest puts the oldest first."""
    holders = obj.__mro__ if isinstance(obj, type) else (obj,)
    for holder in holders:
        given = getattr(holder, "__dict__", {}).get("pytestmark", [])
        given = given if isinstance(given, list) else [given]
        of_holder = [mark for mark in marks if any(mark is getattr(each, "mark", each) for each in given)]
        if of_holder:
            # decorators are stored as marks from the inside out; what is written as a list are MarkDecorators
            is_list = any(isinstance(each, pytest.MarkDecorator) for each in given)
            return of_holder if is_list else of_holder[::-1]
    return marks


def choice_of(item: pytest.Item) -> Choice | None:
    """The backend that an item runs on, None where it is not ours."""
    callspec = getattr(item, "callspec", None)
    choice = callspec.params.get(PARAMETER) if callspec else None
    return choice if isinstance(choice, Choice) else None


def wire_first(item: Any) -> None:
    """Let our fixture come before the test's own function-scoped ones, autouse included.

    Else a fixture that sends a task would send it to production.
    """
    names: list[str] = item.fixturenames
    if FIXTURE not in names:
        return
    definitions = item._fixtureinfo.name2fixturedefs

    def is_function_scoped(name: str) -> bool:
        return name == "request" or (name in definitions and definitions[name][-1].scope == "function")

    names.remove(FIXTURE)
    first = next((index for index, name in enumerate(names) if is_function_scoped(name)), len(names))
    names.insert(first, FIXTURE)
