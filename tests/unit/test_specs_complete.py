"""Every result backend that Celery knows by name has a spec, and every spec says all that users are shown."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pytest_celery_backends.backends import gcs
from pytest_celery_backends.celery_release import celery_release
from pytest_celery_backends.registry import ABSENT, Registry
from pytest_celery_backends.sources import Container, External, Local
from pytest_celery_backends.spec import BackendSpec

ROOT = Path(__file__).parents[2]
NAMES = Registry().names
#: Two names of one thing.
SAME = {"database": "db"}
#: What docs/generate.py --verify found, by backend.
VERIFIED = json.loads((ROOT / "docs" / "reference" / "verified.json").read_text(encoding="utf-8"))


#: What each extra requires; Python 3.10 reads no TOML.
_TABLE = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[project.optional-dependencies]")[2]
EXTRAS: dict[str, list[str]] = {
    name: ast.literal_eval(listed)
    for name, listed in re.findall(r"^(\w+) = (\[.*?\])$", _TABLE.partition("\n[")[0], re.M | re.S)
}


def _spec(name: str) -> BackendSpec:
    return Registry().get(name)


def test_every_backend_of_celery_has_a_spec() -> None:
    from celery.app.backends import BACKEND_ALIASES
    from celery.utils.imports import load_extension_class_names

    extensions = {name for name, _ in load_extension_class_names("celery.result_backends")}
    known = {SAME.get(alias, alias) for alias in [*BACKEND_ALIASES, *extensions]} - set(ABSENT)
    covered = {_spec(name).scheme.partition("+")[0] for name in NAMES}
    assert sorted(known - covered) == []


def test_the_dead_alias_is_dead() -> None:
    from celery.app.backends import by_name

    with pytest.raises(ImportError):
        by_name("riak")


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_says_what_users_are_shown(name: str) -> None:
    spec = _spec(name)
    assert spec.name == name
    assert spec.title
    assert spec.scheme
    assert spec.sources
    local = spec.source("local")
    for reason in (spec.not_verified, local.not_verified if isinstance(local, Local) else ""):
        assert reason == reason.strip().rstrip(".")


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_with_drivers_has_an_extra_that_brings_them(name: str) -> None:
    spec = _spec(name)
    assert bool(spec.drivers) == bool(spec.extra)
    assert spec.extra in {*EXTRAS, ""}


def _brought(text: str) -> Iterator[str]:
    """The packages that a requirement brings, as far as those are installed that know."""
    wanted = Requirement(text)
    yield canonicalize_name(wanted.name)
    try:
        further = list(map(Requirement, requires(wanted.name) or ()))
    except PackageNotFoundError:
        return
    for each in further:
        environments = [{"extra": extra} for extra in ("", *wanted.extras)]
        if each.marker is None or any(map(each.marker.evaluate, environments)):
            yield from _brought(str(each)) if each.extras else [canonicalize_name(each.name)]


def _is_in_celery(text: str) -> bool:
    """Whether the Celery that is installed has the extra that a requirement names: an older one may not."""
    wanted = Requirement(text)
    return wanted.name != "celery" or wanted.extras <= set(metadata("celery").get_all("Provides-Extra") or ())


@pytest.mark.parametrize("name", [name for name in NAMES if _spec(name).extra])
def test_the_extra_of_a_backend_brings_its_drivers(name: str) -> None:
    spec = _spec(name)
    if celery_release() < (5, 7) and not all(map(_is_in_celery, EXTRAS[spec.extra])):
        pytest.skip("this Celery has no such extra")
    brought = {package for each in EXTRAS[spec.extra] for package in _brought(each)}
    assert {canonicalize_name(driver.distribution) for driver in spec.drivers} - brought == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_takes_each_kind_of_provider_once(name: str) -> None:
    kinds = [source.kind for source in _spec(name).sources]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize("name", NAMES)
def test_what_a_user_types_has_the_scheme_that_is_taken(name: str) -> None:
    source = _spec(name).source("external")
    if isinstance(source, External):
        assert source.example.partition("://")[0] in source.schemes


#: Backends whose images have no tag that begins with a version, and why the one that is named is pinned.
UNNUMBERED = {
    "cosmosdb": "all tags of the emulator that any processor runs begin with vnext; this ends with its date"
}
#: gcs has an image where Celery can use it.
IMAGES = {
    "gcs": gcs.CONTAINER,
    **{name: each for name in NAMES for each in _spec(name).sources if isinstance(each, Container)},
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_pinned_to_a_version(name: str) -> None:
    """Else the same release of this package would run on another server tomorrow."""
    tag = IMAGES[name].tag
    assert not re.search("latest|preview|nightly|edge", tag)
    assert bool(re.match(r"v?\d", tag)) != (name in UNNUMBERED)


@pytest.mark.parametrize("name", NAMES)
def test_a_backend_was_verified_or_says_why_not(name: str) -> None:
    assert bool(VERIFIED.get(name)) != bool(_spec(name).not_verified)


def test_no_run_that_is_noted_is_of_a_backend_that_is_gone() -> None:
    assert sorted(set(VERIFIED) - set(NAMES)) == []


@pytest.mark.parametrize("name", sorted(VERIFIED))
def test_all_tests_passed_in_every_run_that_is_noted(name: str) -> None:
    assert [run for run in VERIFIED[name] if run["failed"] or run["passed"] < 1] == []
