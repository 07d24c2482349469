"""Which backends a test runs on."""

from __future__ import annotations

import pytest

from pytest_celery_backends.errors import UnknownBackend
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.selection import Choice, choices, parse


@pytest.fixture
def registry() -> Registry:
    return Registry()


def names(found: list[Choice]) -> list[str]:
    return [str(choice) for choice in found]


def test_a_marker_gives_its_names_in_the_order_written(registry: Registry) -> None:
    assert names(choices(["sqlite", "redis", "memory"], [], registry)) == ["sqlite", "redis", "memory"]


def test_a_name_given_twice_counts_once(registry: Registry) -> None:
    assert names(choices(["redis", "sqlite", "redis"], [], registry)) == ["redis", "sqlite"]


def test_versions_of_one_backend_are_different_choices(registry: Registry) -> None:
    found = choices(["redis:7.2", "redis:8", "redis"], [], registry)
    assert names(found) == ["redis:7.2", "redis:8", "redis"]


def test_a_marker_is_not_narrowed_here_so_that_pytest_can_say_deselected(registry: Registry) -> None:
    assert names(choices(["redis", "sqlite"], ["sqlite"], registry)) == ["redis", "sqlite"]


def test_a_marker_without_names_means_all_that_are_selected(registry: Registry) -> None:
    assert names(choices([], ["rpc-memory", "memory"], registry)) == ["rpc-memory", "memory"]


def test_a_marker_without_names_and_no_selection_means_all_there_are(registry: Registry) -> None:
    assert names(choices([], [], registry)) == registry.names


def test_no_marker_means_sqlite(registry: Registry) -> None:
    assert names(choices(None, [], registry)) == ["sqlite"]


def test_no_marker_and_a_selection_means_the_selection(registry: Registry) -> None:
    assert names(choices(None, ["redis:7.2"], registry)) == ["redis:7.2"]


def test_a_name_is_parted_from_its_version_at_the_first_colon(registry: Registry) -> None:
    assert parse("redis:7.2-alpine", registry) == Choice(name="redis", version="7.2-alpine")


def test_an_unknown_name_is_refused_with_its_version_left_out(registry: Registry) -> None:
    with pytest.raises(UnknownBackend) as raised:
        choices(["redsi:7.2"], [], registry)
    assert str(raised.value) == (
        "no backend is called 'redsi': did you mean 'redis'?\n"
        f"  known: {', '.join(registry.names)}\n"
        '  type: @pytest.mark.backends("redis")'
    )


@pytest.mark.parametrize(
    ("choice", "wanted", "is_selected"),
    [
        ("redis", ["redis"], True),
        ("redis:7.2", ["redis"], True),
        ("redis:7.2", ["redis:7.2"], True),
        ("redis", ["redis:7.2"], False),
        ("redis:8", ["redis:7.2"], False),
        ("redis", ["sqlite", "rpc"], False),
        ("redis", ["sqlite", "redis"], True),
    ],
)
def test_a_name_without_version_selects_all_versions(
    registry: Registry, choice: str, wanted: list[str], is_selected: bool
) -> None:
    selected = [parse(name, registry) for name in wanted]
    assert parse(choice, registry).is_selected_by(selected) is is_selected
