"""What is noted of serializers agrees with what was observed of Celery 5.7 without this plugin, or it says why not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[1]
DATA: Final = Path(__file__).with_name("data")
RECORDS: Final = ROOT / "docs" / "reference" / "serialization.json"
#: A backend on which nothing differs from most.
ANY: Final = "redis"


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


OBSERVED: Final = read(DATA / "serialization-observed.json")
EXPLAINED: Final = read(DATA / "serialization-explanations.json")
RECORD: Final = read(RECORDS)[OBSERVED["celery"]]


def kind(text: str) -> str:
    """What is noted, in the words of the observations.

    >>> kind("rejected, read: DecodeError"), kind("changed: tuple -> list")
    ('client_error', 'changed')
    """
    if text.endswith(", lost"):
        return "lost"
    if text.startswith("rejected"):
        return "client_error" if text.startswith("rejected, read") else "store_error"
    return {"same": "exact"}.get(text, text.partition(":")[0])


def cells(found: Mapping[str, Any], backend: str) -> dict[tuple[str, str, str], str]:
    """Each cell of a backend, by road, value and serializer."""

    def flat(each: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str], str]]:
        for road, values in each.items():
            for value, by_serializer in values.items():
                for serializer, text in by_serializer.items():
                    yield (road, value, serializer), text

    return {**dict(flat(found["majority"])), **dict(flat(found["differs"].get(backend, {})))}


def differing() -> dict[str, list[str]]:
    """The cells that differ from their observation, by value and serializer."""
    found: dict[str, list[str]] = {}
    for backend in dict.fromkeys([ANY, *OBSERVED["differs"]]):
        observed, noted = cells(OBSERVED, backend), cells(RECORD, backend)
        for (road, value, serializer), wanted in observed.items():
            text = noted.get((road, value, serializer), "not noted")
            if kind(text) != wanted:
                found.setdefault(f"{value}+{serializer}", []).append(f"{backend}: {text}, and not {wanted}")
    return found


def test_what_differs_from_the_observations_is_explained() -> None:
    assert {name: told for name, told in differing().items() if name not in EXPLAINED} == {}


def test_nothing_is_explained_that_does_not_differ() -> None:
    assert sorted(EXPLAINED.keys() - differing().keys()) == []


def test_an_explanation_says_something() -> None:
    assert [name for name, reason in EXPLAINED.items() if len(reason.split()) < 5] == []


@pytest.mark.parametrize("name", ["serialization.json", "serialization.md"])
def test_the_pages_tell_nothing_of_a_machine(name: str) -> None:
    text = RECORDS.with_name(name).read_text(encoding="utf-8")
    assert [
        word for word in ("/tmp", "/dev/shm", "/root", "/home", "/work", "127.0.0.1", "0x7") if word in text
    ] == []
