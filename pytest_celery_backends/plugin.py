"""The hooks. Each is short and hands over to the module that does the work, imported when it is needed."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from types import FunctionType
from typing import Any

import pytest

from .fixtures import (  # noqa: F401  (pytest finds fixtures by name)
    _celery_backend,
    _celery_backends_run,
    celery_backends_app,
    celery_backends_settings,
    result_app,
    result_backend,
    result_service,
    result_worker,
)
from .stash import RUN

pytest.register_assert_rewrite("pytest_celery_backends.assertions")


def pytest_addoption(parser: pytest.Parser) -> None:
    from . import options

    options.declare(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from . import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    from . import markers, options, xdist
    from .errors import BadOption
    from .run import Run
    from .summary import Summary

    for line in markers.described():
        config.addinivalue_line("markers", line)
    try:
        values = options.from_config(config)
    except BadOption as error:
        message = str(error)
    else:
        announce = config.hook.pytest_celery_backends_register
        config.stash[RUN] = Run(values, lambda registry: announce(registry=registry), xdist.shared_by(config))
        if not xdist.is_worker(config):
            config.pluginmanager.register(Summary(config), "celery-backends-summary")
        xdist.register(config)
        return
    raise pytest.UsageError(message)


def pytest_unconfigure(config: pytest.Config) -> None:
    if RUN in config.stash:
        config.stash[RUN].close()


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    if not config.getoption("celery_backends_list"):
        return None
    from .errors import BadOption
    from .listing import print_list

    config._do_configure()
    try:
        print_list(config.stash[RUN], sys.stdout)
    except BadOption as error:
        raise pytest.UsageError(str(error)) from None
    finally:
        config._ensure_unconfigure()
    return 0


def pytest_report_header(config: pytest.Config) -> str:
    return f"celery backends: {config.stash[RUN].options.described()}"


@pytest.hookimpl(tryfirst=True)
def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    if "pytest_celery_backends.masking" not in sys.modules:  # then nobody has a URL of ours
        return None
    from .masking import compared

    return compared(op, left, right)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> None:
    if _may_be_marked(collector, obj):
        from .activation import activate

        activate(collector, obj, collector.config.stash[RUN])


def _may_be_marked(collector: pytest.Collector, obj: object) -> bool:
    """Whether to look closer; cheap, and careful with objects that run code when they are looked at."""
    if isinstance(obj, (staticmethod, classmethod)):
        obj = obj.__func__
    if not isinstance(obj, (type, FunctionType)):
        return False
    if isinstance(obj, type) and issubclass(obj, getattr(sys.modules.get("unittest"), "TestCase", ())):
        return True
    own = obj.__dict__.get("pytestmark", ())
    marks = own if isinstance(own, list) else [own]
    return any(getattr(mark, "name", "") == "backends" for mark in marks) or bool(
        collector.get_closest_marker("backends")
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "_celery_backend" in metafunc.fixturenames:
        from .activation import parametrize

        parametrize(metafunc, metafunc.config.stash[RUN])


def _is_ours(item: pytest.Item) -> bool:
    return "_celery_backend" in getattr(item, "fixturenames", ())


def pytest_itemcollected(item: pytest.Item) -> None:
    if _is_ours(item):
        from .activation import wire_first

        wire_first(item)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    from .errors import BadOption

    run = config.stash[RUN]
    if not run.options.names_backends:  # else the entry points of all packages are read
        return
    try:
        run.check_names()
    except BadOption as error:
        raise pytest.UsageError(str(error)) from None
    if not run.options["celery_backends"]:
        return
    from .activation import choice_of

    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        choice = choice_of(item)
        (kept if choice is None or run.is_selected(choice) else dropped).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    if any(_is_ours(item) for item in session.items):
        from . import starting

        starting.begin(session)
        starting.wait_showing(session.config.stash[RUN].pool, session.config)


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str]:
    if not any(_is_ours(item) for item in items):
        return []
    from .starting import planned

    return planned(config.stash[RUN], items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if _is_ours(item):
        from .outcomes import require_capabilities

        require_capabilities(item, item.config.stash[RUN])
    elif item.get_closest_marker("backends") is not None:
        from .outcomes import refuse_late_mark

        refuse_late_mark(item, item.config.stash[RUN])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    result = yield
    if _is_ours(item):
        from .outcomes import check_worker

        check_worker(item)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if not _is_ours(item):
        return (yield)
    from . import outcomes

    outcomes.note_limits(item)
    if call.excinfo is not None:
        outcomes.add_sections(item, call.when, call.excinfo.value)
    report = yield
    outcomes.mark_report(item, report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for text in config.stash[RUN].said_at_end:
        terminalreporter.write_line(f"celery backends: {text}")
