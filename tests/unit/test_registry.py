"""Backends by name: built in, declared by a package, registered by a conftest."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_celery_backends import backends
from pytest_celery_backends.backends.sqlite import SPEC as SQLITE
from pytest_celery_backends.errors import UnknownBackend
from pytest_celery_backends.registry import ENTRY_POINT_GROUP, Registry, unknown_backend

BUILT_IN = [
    path.stem.replace("_", "-")
    for path in sorted(Path(backends.__file__).parent.glob("*.py"))
    if path.stem != "__init__"
]


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed package that declares the backend ``acme``; gives its module's name."""
    module, dist = tmp_path / "celery_acme_testing.py", tmp_path / "celery_acme-1.0.dist-info"
    module.write_text(
        "from dataclasses import replace\n"
        "from pytest_celery_backends.backends.sqlite import SPEC\n"
        'ACME = replace(SPEC, name="acme", title="Acme")\n'
    )
    dist.mkdir()
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: celery-acme\nVersion: 1.0\n")
    (dist / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\nacme = {module.stem}:ACME\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, module.stem, raising=False)
    return module.stem


def test_built_in_names_are_in_alphabetical_order() -> None:
    assert Registry().names == BUILT_IN


def test_a_spec_has_the_name_it_is_found_under() -> None:
    registry = Registry()
    assert [registry.get(name).name for name in registry.names] == BUILT_IN


def test_a_spec_is_the_same_object_each_time() -> None:
    registry = Registry()
    assert registry.get("redis") is registry.get("redis")


def test_a_registered_spec_comes_last_and_is_found() -> None:
    registry = Registry()
    registry.register(replace(SQLITE, name="acme", title="Acme"))
    assert registry.names == [*BUILT_IN, "acme"]
    assert registry.get("acme").title == "Acme"


def test_a_registered_spec_replaces_one_of_the_same_name_also_after_that_was_used() -> None:
    registry = Registry()
    assert registry.get("sqlite").title == "SQLite"
    registry.register(replace(SQLITE, title="Ours"))
    assert registry.get("sqlite").title == "Ours"
    assert registry.names == BUILT_IN


def test_registries_share_nothing() -> None:
    Registry().register(replace(SQLITE, name="acme"))
    assert "acme" not in Registry().names


def test_an_entry_point_is_listed_without_importing_its_module(acme: str) -> None:
    assert Registry().names == [*BUILT_IN, "acme"]
    assert acme not in sys.modules


def test_an_entry_point_is_imported_when_its_name_is_asked_for(acme: str) -> None:
    assert Registry().get("acme").title == "Acme"
    assert acme in sys.modules


def test_an_unknown_name_is_answered_with_the_closest_and_all_others() -> None:
    with pytest.raises(UnknownBackend) as raised:
        Registry().get("postgresql")
    assert str(raised.value) == (
        "no backend is called 'postgresql': did you mean 'postgres'?\n"
        f"  known: {', '.join(BUILT_IN)}\n"
        '  type: @pytest.mark.backends("postgres")'
    )


def test_a_name_that_is_close_to_none_is_answered_with_one_that_needs_nothing() -> None:
    assert str(unknown_backend("kafka", BUILT_IN)) == (
        "no backend is called 'kafka'\n"
        f"  known: {', '.join(BUILT_IN)}\n"
        '  type: @pytest.mark.backends("sqlite")'
    )


def test_an_entry_point_that_does_not_import_says_which(acme: str, tmp_path: Path) -> None:
    (tmp_path / f"{acme}.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(UnknownBackend) as caught:
        Registry().get("acme")
    assert str(caught.value) == (
        "the backend 'acme' that a package declares cannot be loaded\n"
        f"  {acme}:ACME: ModuleNotFoundError: No module named 'nothing_of_that_name'\n"
        f"  type: python -c 'import {acme}'"
    )


def test_an_entry_point_that_is_no_spec_says_what_it_is(acme: str, tmp_path: Path) -> None:
    (tmp_path / f"{acme}.py").write_text("ACME = 7\n")
    with pytest.raises(UnknownBackend, match=r"it is a int, not a BackendSpec"):
        Registry().get("acme")
