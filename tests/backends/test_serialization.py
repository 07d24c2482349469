"""The corpus through real tasks on each backend: what becomes of it is in ``docs/reference/serialization.json``.

``python docs/generate.py --serialization`` runs this with a directory in SERIALIZATION_NOTES, where it then writes
down what it finds; else it compares that with what is noted.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pytest
from backend_names import EVERY

from pytest_celery_backends import ResultBackend
from pytest_celery_backends.assertions.table import Cell
from pytest_celery_backends.corpus import VALUES
from pytest_celery_backends.exception_corpus import EXCEPTIONS

ROOT: Final = Path(__file__).parents[2]
NOTES: Final = os.environ.get("SERIALIZATION_NOTES", "")
RECORDS: Final = ROOT / "docs" / "reference" / "serialization.json"
#: One of each kind of store; what is noted was run on all.
SOME: Final = ("memory", "redis", "sqlite", "postgres", "filesystem", "rpc-memory")
SERIALIZERS: Final = ("json", "pickle", "yaml", "msgpack")
#: Seconds for one value; a database is asked again and again for what its columns do not take.
LIMIT: Final = 30
#: How deep the C code of an interpreter goes, and how long a number it writes, is its own affair.
OF_THE_INTERPRETER: Final = {
    "nested_500",
    "nested_1500",
    "circular_list",
    "int_5000_digits",
    "RecursionError",
}

pytestmark = [
    pytest.mark.backends(*(EVERY if NOTES else SOME)),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def noted(cell: Cell) -> str:
    """What became of a value, without what differs from run to run."""
    trip = cell.trip
    if trip is None:
        return f"{cell.outcome}: {cell.reason}"
    if trip.rejected_at:
        return f"rejected, {trip.rejected_at}: {re.split('[:(]', trip.error)[0]}" + (
            ", lost" if trip.is_lost else ""
        )
    text = re.sub(r"0x[0-9a-f]+", "0x", trip.difference).replace("pytest_celery_backends.", "")
    return f"{trip.outcome}: {text:.100}" if text else trip.outcome


def cells(backend: ResultBackend, serializers: tuple[str, ...]) -> dict[str, dict[str, dict[str, str]]]:
    """What became of each value: by road, value and serializer."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for via, corpus in (("result", VALUES), ("exception", EXCEPTIONS)):
        values = {name: make() for name, make in corpus.items()}
        table = backend.round_trip_table(values, serializers, via=via, timeout=LIMIT)  # type: ignore[arg-type]
        for cell in table.cells:
            found.setdefault(via, {}).setdefault(cell.value, {})[cell.serializer] = noted(cell)
    return found


def recorded() -> dict[str, Any] | None:
    """What is noted of this Celery; None where nothing is, or of another kombu, whose serializers these are."""
    release = version("celery").rpartition(".")[0]
    found = json.loads(RECORDS.read_text(encoding="utf-8")).get(release)
    same = found and found["kombu"].split(".")[:2] == version("kombu").split(".")[:2]
    return found if same else None


def test_what_becomes_of_the_corpus(result_backend: ResultBackend) -> None:
    for module in ("yaml", "msgpack"):
        pytest.importorskip(module)
    # it is the serializer's doing: one backend is asked about all of them
    serializers = SERIALIZERS if NOTES or result_backend.name == "redis" else SERIALIZERS[:2]
    found = cells(result_backend, serializers)
    if NOTES:
        note = {"server": str(result_backend._given.service), "cells": found}
        Path(NOTES, f"{result_backend.name}.json").write_text(json.dumps(note), encoding="utf-8")
        return
    record = recorded()
    if record is None:
        pytest.skip("nothing is noted of these releases of Celery and kombu")
    wanted = serialization().cells_of(record, result_backend.name)
    other = [
        f"{value}, {serializer}: {text}, and not {wanted[via][value][serializer]}"
        for via, values in found.items()
        for value, by_serializer in values.items()
        for serializer, text in by_serializer.items()
        if value not in OF_THE_INTERPRETER and text != wanted[via].get(value, {}).get(serializer)
    ]
    assert other == [], "type: python docs/generate.py --serialization"


def serialization() -> Any:
    """The module that makes the page."""
    spec = importlib.util.spec_from_file_location("serialization_page", ROOT / "docs" / "serialization.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
