"""The matrix as JSON, for other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from . import conformance
from .matrix import WORST_FIRST, Matrix, Outcome, Row

#: Changes when a reader of the file has to.
SCHEMA: Final = 1


def render(matrix: Matrix) -> str:
    """One object: ``schema``, ``backends``, ``tests`` and ``notes``, in the matrix's order.

    And ``conformance``, where checks of the conformance kit ran.

    >>> from pytest_celery_backends.reporting.matrix import Outcome, matrix_of
    >>> text = render(matrix_of([Outcome(test="test_a", backend="redis", cell="passed", seconds=0.25)]))
    >>> json.loads(text)["tests"][0]["outcomes"]["redis"]
    {'cell': 'passed', 'reason': '', 'seconds': 0.25}
    """
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "backends": [_backend(matrix, name) for name in matrix.backends],
        "tests": [_test(row) for row in matrix.rows],
        "notes": [
            {"backend": note.backend, "cell": note.cell, "reason": note.reason, "tests": note.tests}
            for note in matrix.notes
        ],
    }
    checks = conformance.document(matrix)
    if checks is not None:
        document["conformance"] = checks
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _backend(matrix: Matrix, name: str) -> Mapping[str, Any]:
    cells = [outcome.cell for outcome in matrix.column(name)]
    counts = {cell: cells.count(cell) for cell in WORST_FIRST if cell in cells}
    return {"name": name, "server": matrix.servers.get(name, ""), "counts": counts}


def _test(row: Row) -> Mapping[str, Any]:
    outcomes = {outcome.backend: _outcome(outcome) for outcome in row.outcomes if outcome}
    return {"test": row.test, "differs": row.differs, "outcomes": outcomes}


def _outcome(outcome: Outcome) -> Mapping[str, Any]:
    return {"cell": outcome.cell, "reason": outcome.reason, "seconds": round(outcome.seconds, 6)}
