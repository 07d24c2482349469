"""The markers' signatures, and what is said of arguments that do not fit."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_celery_backends import markers, plugin
from pytest_celery_backends.capabilities import Capability
from pytest_celery_backends.errors import BadMarker


def said(name: str, *args: Any, **kwargs: Any) -> list[str]:
    with pytest.raises(BadMarker) as raised:
        markers.read(name, args, kwargs)
    return str(raised.value).splitlines()


BACKENDS = (
    "  it takes: backends(*names): run the test once on each of these result backends "
    '("redis", "redis:7.2"); all, if none is named'
)
REQUIRES = (
    "  it takes: backend_requires(*capabilities): report the test as UNSUPPORTED on backends that lack one "
    "of these capabilities"
)


def test_backends_gives_its_names() -> None:
    assert markers.read("backends", ["redis", "redis:7.2"], {}) == ("redis", "redis:7.2")


def test_backends_refuses_keywords_and_shows_its_signature() -> None:
    assert said("backends", "redis", version=7) == [
        "@pytest.mark.backends('redis', version=7): got an unexpected keyword argument 'version'",
        BACKENDS,
        '  type: @pytest.mark.backends("redis", "postgres")',
    ]


def test_backends_refuses_what_is_no_name() -> None:
    assert said("backends", ["redis", "rpc"]) == [
        "@pytest.mark.backends(['redis', 'rpc']): ['redis', 'rpc'] is no name",
        BACKENDS,
        '  type: @pytest.mark.backends("redis", "postgres")',
    ]


@pytest.mark.parametrize("written", ["any_reader", "ANY_READER", "any-reader", " any_reader "])
def test_backend_requires_takes_each_way_to_write_a_capability(written: str) -> None:
    assert markers.read("backend_requires", [written], {}) == [Capability.ANY_READER]


@pytest.mark.parametrize("capability", Capability)
def test_backend_requires_takes_each_capability(capability: Capability) -> None:
    assert markers.read("backend_requires", [capability.label], {}) == [capability]


def test_backend_requires_guesses_what_was_meant() -> None:
    assert said("backend_requires", "groups", "cords") == [
        "@pytest.mark.backend_requires('groups', 'cords'): "
        "no capability is called 'cords': did you mean 'chords'?",
        REQUIRES,
        '  type: @pytest.mark.backend_requires("chords")',
    ]


def test_backend_requires_guesses_nothing_where_nothing_is_close() -> None:
    assert said("backend_requires", "teleportation") == [
        "@pytest.mark.backend_requires('teleportation'): no capability is called 'teleportation'",
        REQUIRES,
        '  type: @pytest.mark.backend_requires("chords")',
    ]


def test_backend_requires_refuses_what_is_no_name() -> None:
    assert said("backend_requires", 7) == [
        "@pytest.mark.backend_requires(7): 7 is no name",
        REQUIRES,
        '  type: @pytest.mark.backend_requires("chords")',
    ]


def test_celery_gives_its_settings() -> None:
    assert markers.read("celery", [], {"result_expires": 60}) == {"result_expires": 60}


def test_celery_refuses_positional_arguments() -> None:
    assert said("celery", {"result_expires": 60}) == [
        "@pytest.mark.celery({'result_expires': 60}): takes 0 positional arguments but 1 was given",
        "  it takes: celery(**settings): Celery settings for this test (Celery's own marker)",
        "  type: @pytest.mark.celery(result_expires=60)",
    ]


def test_every_marker_is_described_by_its_signature() -> None:
    assert [line.partition(":")[0] for line in markers.described()] == [
        "backends(*names)",
        "backend_requires(*capabilities)",
        "celery(**settings)",
    ]


def test_the_lines_that_every_run_gives_to_pytest_are_those_of_the_functions() -> None:
    assert list(plugin.MARKERS) == markers.described()
