"""Who may import whom, what is loaded when, and how long and how called a module may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

import pytest_celery_backends

PACKAGE: Final = Path(pytest_celery_backends.__file__).parent

#: A module imports from its own layer or a lower one, and nobody imports in circles.
LAYERS: Final[dict[int, tuple[str, ...]]] = {
    0: (
        "errors",
        "capabilities",
        "garbage",
        "grids",
        "polling",
        "provider_kinds",
        "thread_stacks",
        "upstream",
    ),
    1: (
        *(
            "spec",
            "checks",
            "periods",
            "canary",
            "round_trips",
            "class_patches",
            "sources",
            "state_patterns",
            "masking",
            "celery_release",
            "queues",
            "vhost",
            "amqp_names",
        ),
        *("sessions", "pubsub", "database_limits", "mysql_server", "python_servers"),
        *("redis_server", "certificates", "syntax_trees", "memcache_sockets"),
    ),
    2: ("traffic", "traffic.*", "probes", "probes.*", "providers", "providers.*", "backends", "backends.*"),
    3: ("registry", "plans", "kept", "pool", "store"),
    4: (
        *("apps", "originals", "front", "overlay", "surroundings", "task_settings", "releases", "wiring"),
        *(
            "broker",
            "hosts",
            "namespaced_amqp",
            "namespaced_channel",
            "pools",
            "process_state",
            "remote_control",
            "worker",
            "consumer",
            "worker_log",
            "waiting",
            "clock",
            "decoding",
            "timeline",
            "recorder",
            "event_log",
            "observers",
            "limits",
            "questions",
            "storing",
            "stored_requests",
            "copies",
            "conflicts",
            "comparison",
            "constituents",
            "serializers",
            "roads",
            "trip",
            "trips",
            "senders",
            "corpus",
            "exception_corpus",
            "strategies",
            "written",
            "elsewhere",
            "evidence",
            "activity",
            "commands",
            "task_signals",
            "observing",
            "database_tables",
            "beat",
            "footprint",
            "worker_errors",
        ),
        *("result_backend", "result_service", "result_worker", "methods", "methods.*"),
        *("lease", "leases", "lease_settings", "clock", "faults", "assertions", "assertions.*", "migration"),
    ),
    5: (
        *("options", "option_values", "markers", "selection", "given_settings", "reporting", "reporting.*"),
        *("keeping", "run", "survey", "listing", "neighbours"),
    ),
    6: (
        "stash",
        "hookspecs",
        "activation",
        "outcomes",
        "failures",
        "bundles",
        "summary",
        "fixtures",
        "starting",
        "xdist",
        "run_hooks",
        "check_hooks",
        "check_limits",
        "verdicts",
        "plugin",
        "__main__",
    ),
    7: ("conformance", "conformance.*"),
}
CELERY: Final = {"celery", "kombu", "billiard", "vine"}
#: Libraries of servers and engines, and the only places that know them, inside functions.
DRIVERS: Final = {
    "azure": "probes.*",
    "google": "probes.*",
    "amqp": "probes.*",
    "boto3": "probes.*",
    "botocore": "probes.*",
    "redis": "probes.*",
    "trustme": "certificates",
    "memcache": "memcache_sockets",
    "psycopg2": "probes.*",
    "pymysql": "probes.*",
    "pymongo": "probes.*",
    "bson": "probes.*",
    "pymemcache": "probes.*",
    "sqlalchemy": "probes.*",
    "cassandra": "probes.*",
    "couchbase": "probes.*",
    "pydocumentdb": "probes.*",
    "django": "probes.*",
    "django_celery_results": "probes.*",
    "docker": "providers.*",
    "testcontainers": "providers.*",
    "requests": "providers.*",
    "urllib3": "traffic.*",
    "hypothesis": "strategies",
}
MEANINGLESS: Final = {"utils", "util", "helpers", "helper", "base", "common", "manager", "misc"}


@dataclass(frozen=True)
class Import:
    """One import statement: of a module of ours (``own``) or of somebody else's top-level package."""

    target: str
    own: bool
    in_function: bool
    for_types: bool
    line: int


def module_name(path: Path) -> str:
    """``probes.redis``; the package itself is the empty name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES: Final = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
MODULES: Final = sorted(name for name in FILES if name)


def imports_of(module: str) -> list[Import]:
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    return list(_walk(tree, module, in_function=False, for_types=False))


def _walk(node: ast.AST, module: str, *, in_function: bool, for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            for target, own in _targets(child, module):
                yield Import(target, own, in_function, for_types, child.lineno)
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        is_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        yield from _walk(
            child, module, in_function=in_function or is_function, for_types=for_types or is_types
        )


def _targets(statement: ast.Import | ast.ImportFrom, module: str) -> Iterator[tuple[str, bool]]:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield from _absolute(alias.name)
        return
    if not statement.level:
        yield from _absolute(statement.module or "")
        return
    is_package = FILES[module].name == "__init__.py"
    package = module.split(".") if is_package else module.split(".")[:-1]
    above = package[: len(package) - statement.level + 1]
    base = [*above, *(statement.module.split(".") if statement.module else [])]
    for alias in statement.names:
        full = ".".join([*base, alias.name])
        yield (full if full in FILES else ".".join(base)), True


def _absolute(name: str) -> Iterator[tuple[str, bool]]:
    head, _, rest = name.partition(".")
    yield (rest, True) if head == PACKAGE.name else (head, False)


def layer_of(module: str) -> int:
    found = [number for number, names in LAYERS.items() if any(fnmatchcase(module, name) for name in names)]
    assert len(found) == 1, f"{module}.py stands in {len(found)} layers: give it one in LAYERS"
    return found[0]


def told(statements: Iterator[tuple[str, Import]]) -> list[str]:
    return [f"{module}.py, line {each.line}: imports {each.target}" for module, each in statements]


def all_imports() -> Iterator[tuple[str, Import]]:
    for module in MODULES:
        for each in imports_of(module):
            yield module, each


def test_every_module_has_a_layer() -> None:
    for module in MODULES:
        layer_of(module)


def test_modules_import_from_their_layer_or_below() -> None:
    own = ((module, each) for module, each in all_imports() if each.own and each.target)
    assert told((m, each) for m, each in own if layer_of(each.target) > layer_of(m)) == []


def test_nobody_imports_in_circles() -> None:
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for module, each in all_imports():
        if each.own and not each.for_types:
            graph[module].add(each.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize(
    ("family", "may_import"), [("probes", {"probes"}), ("providers", {"providers"}), ("backends", {"probes"})]
)
def test_probes_providers_and_backends_keep_apart(family: str, may_import: set[str]) -> None:
    others = {"probes", "providers", "backends"} - may_import
    assert (
        told(
            (module, each)
            for module, each in all_imports()
            if module.startswith(f"{family}.") and each.own and each.target.partition(".")[0] in others
        )
        == []
    )


def test_the_lowest_layer_needs_the_standard_library_only() -> None:
    lowest = ((module, each) for module, each in all_imports() if layer_of(module) == 0)
    assert told((m, each) for m, each in lowest if each.target not in sys.stdlib_module_names) == []


def test_celery_is_imported_at_the_top_in_layer_4_and_the_kit_only() -> None:
    early = ((m, each) for m, each in all_imports() if not (each.own or each.in_function or each.for_types))
    assert told((m, each) for m, each in early if each.target in CELERY and layer_of(m) not in (4, 7)) == []


def test_pytest_is_imported_at_the_top_in_layer_6_only() -> None:
    wanted = ((m, each) for m, each in all_imports() if each.target == "pytest" and not each.for_types)
    assert told((m, each) for m, each in wanted if layer_of(m) < 6) == []


def test_drivers_are_imported_inside_functions_of_those_who_need_them() -> None:
    drivers = ((m, each) for m, each in all_imports() if each.target in DRIVERS and not each.own)
    assert (
        told(
            (m, each)
            for m, each in drivers
            if not (each.in_function or each.for_types)
            or not (fnmatchcase(m, DRIVERS[each.target]) or m.startswith(("traffic.", "conformance.")))
        )
        == []
    )


def test_no_other_library_is_imported() -> None:
    known = {*sys.stdlib_module_names, *CELERY, *DRIVERS, "packaging", "pytest", "_pytest", "xdist"}
    assert told((m, each) for m, each in all_imports() if not each.own and each.target not in known) == []


def test_the_conformance_kit_uses_public_names_only() -> None:
    inner = ((m, each) for m, each in all_imports() if layer_of(m) == 7 and each.own and each.target)
    assert told((m, each) for m, each in inner if not each.target.startswith("conformance")) == []


def test_the_conformance_kit_skips_nothing() -> None:
    kit = (name for name in MODULES if layer_of(name) == 7)
    assert [name for name in kit if "skip" in FILES[name].read_text(encoding="utf-8")] == []


def test_modules_have_250_lines_at_most() -> None:
    lengths = {module: len(FILES[module].read_text(encoding="utf-8").splitlines()) for module in MODULES}
    assert {m: lines for m, lines in lengths.items() if lines > 250} == {}


def test_module_names_say_what_is_in_them() -> None:
    assert [module for module in MODULES if MEANINGLESS & set(module.split("."))] == []


HEAVY: Final = ("celery", "kombu", "docker", "testcontainers", "redis", "psycopg2", "sqlalchemy", "asyncio")
RUN: Final = "pytest.main(['-p', 'pytest_celery_backends.plugin', '-p', 'no:cacheprovider'])"


@pytest.mark.parametrize(
    ("done", "heavy"),
    [
        ("import pytest_celery_backends", {*HEAVY, "unittest"}),
        ("import pytest_celery_backends.plugin", {*HEAVY, "unittest"}),
        (RUN, set(HEAVY)),  # pytest loads unittest when it runs
    ],
    ids=["importing the package", "importing the plugin", "a run without tests of ours"],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(
    done: str, heavy: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_it.py").write_text("def test_one():\n    pass\n")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    before = "import sys, pytest\nbefore = set(sys.modules)"  # pytest 8 loads unittest with itself
    source = f"{before}\n{done}\nprint('loaded:', *sorted({heavy} & (set(sys.modules) - before)))"
    ran = subprocess.run(
        [sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
    )
    assert ran.stdout.splitlines()[-1] == "loaded:"


#: What every run of pytest where the plugin is installed pays for.
ALWAYS_LOADED: Final = ["", "fixtures", "hookspecs", "options", "plugin", "stash"]


def test_a_run_without_tests_of_ours_loads_few_of_our_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_it.py").write_text("def test_one():\n    pass\n")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    own = "[name.partition('.')[2] for name in sys.modules if name.partition('.')[0] == 'pytest_celery_backends']"
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys, pytest\n{RUN}\nprint(sorted({own}))"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == str(ALWAYS_LOADED)
