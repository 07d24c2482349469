"""The hooks of every run. Each is short; what does the work is imported where a test of ours needs it."""

from __future__ import annotations

import sys
from fnmatch import fnmatch
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Final

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
from .stash import OPTIONS, RUN, is_ours

if TYPE_CHECKING:
    from .options import Options
    from .run import Run

pytest.register_assert_rewrite("pytest_celery_backends.assertions", "pytest_celery_backends.conformance")

#: The conformance kit; its modules are not called as pytest would have tests called.
KIT: Final = Path(__file__).parent / "conformance"

#: What ``markers.described()`` gives; written down, for every run needs the lines and few need the module.
MARKERS: Final = (
    "backends(*names): run the test once on each of these result backends "
    '("redis", "redis:7.2"); all, if none is named',
    "backend_requires(*capabilities): report the test as UNSUPPORTED on backends that lack one of these capabilities",
    "celery(**settings): Celery settings for this test (Celery's own marker)",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    from . import options

    options.declare(parser, pytest.version_tuple)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from . import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    for line in MARKERS:
        config.addinivalue_line("markers", line)
    config.stash[OPTIONS] = _options(config)
    if hasattr(config, "workerinput") or config.getoption("dist", "no") != "no":
        from . import xdist

        _run(config)
        xdist.register(config)


def _options(config: pytest.Config) -> Options:
    from . import options

    try:
        return options.from_config(config)
    except Exception as error:
        from .errors import BadOption  # here, for hardly any run needs it

        if not isinstance(error, BadOption):
            raise
        message = str(error)
    raise pytest.UsageError(message)


def _run(config: pytest.Config) -> Run:
    """The run, made with its hooks at its first use: most runs where the plugin is installed never ask for it."""
    if RUN not in config.stash:
        from . import run_hooks, summary, xdist
        from .run import Run

        announce = config.hook.pytest_celery_backends_register
        shared = xdist.shared_by(config)
        config.stash[RUN] = Run(config.stash[OPTIONS], lambda registry: announce(registry=registry), shared)
        config.pluginmanager.register(run_hooks, "celery-backends-run")
        if not xdist.is_worker(config):
            config.pluginmanager.register(summary.Summary(config), "celery-backends-summary")
    return config.stash[RUN]


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    if not config.getoption("celery_backends_list"):
        return None
    from .errors import BadOption
    from .listing import print_list

    config._do_configure()
    try:
        print_list(_run(config), sys.stdout)
    except BadOption as error:
        raise pytest.UsageError(str(error)) from None
    finally:
        config._ensure_unconfigure()
    return 0


def pytest_report_header(config: pytest.Config) -> str:
    return f"celery backends: {config.stash[OPTIONS].described()}"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    if file_path.parent != KIT or file_path.suffix != ".py" or not parent.session.isinitpath(KIT):
        return None
    if any(fnmatch(file_path.name, pattern) for pattern in parent.config.getini("python_files")):
        return None  # pytest takes it for tests by itself
    return pytest.Module.from_parent(parent, path=file_path)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> None:
    if isinstance(obj, FunctionType) and "celery_backends_check" in vars(obj):  # see checks.py
        from . import check_hooks

        check_hooks.register(collector.config)
    if _may_be_marked(collector, obj):
        from .activation import activate

        activate(collector, obj, _run(collector.config))


def _may_be_marked(collector: pytest.Collector, obj: object) -> bool:
    """Whether to look closer; cheap, and careful with objects that run code when they are looked at."""
    if isinstance(obj, (staticmethod, classmethod)):
        obj = obj.__func__
    if not isinstance(obj, (type, FunctionType)):
        return False
    holders: list[object] = [obj]
    if isinstance(obj, type) and issubclass(obj, getattr(sys.modules.get("unittest"), "TestCase", ())):
        members = [each for parent in obj.__mro__ for each in vars(parent).items()]
        holders = [*obj.__mro__, *(value for key, value in members if key.startswith("test"))]
    return any(map(_is_marked, holders)) or bool(collector.get_closest_marker("backends"))


def _is_marked(obj: object) -> bool:
    own = getattr(obj, "__dict__", {}).get("pytestmark", ())
    marks = own if isinstance(own, list) else [own]
    return any(getattr(mark, "name", "") == "backends" for mark in marks)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "_celery_backend" in metafunc.fixturenames:
        from .activation import parametrize

        parametrize(metafunc, _run(metafunc.config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.stash[OPTIONS].names_backends:  # else the entry points of all packages are read
        return
    from .errors import BadOption

    run = _run(config)
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


def pytest_runtest_setup(item: pytest.Item) -> None:
    if not is_ours(item) and item.get_closest_marker("backends") is not None:
        from .outcomes import refuse_late_mark

        refuse_late_mark(item, _run(item.config))
