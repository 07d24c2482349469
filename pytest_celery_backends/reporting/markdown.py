"""The matrix as Markdown, for a job's summary or a comment on a change."""

from __future__ import annotations

from collections.abc import Sequence

from ..grids import markdown_code as _code
from ..grids import markdown_text as _text
from .matrix import SYMBOLS, Matrix, Outcome, Row, tally


def render(matrix: Matrix) -> str:
    """A table of what needs a look, what agrees folded away, then servers and reasons.

    >>> from pytest_celery_backends.reporting.matrix import Outcome, matrix_of
    >>> print(render(matrix_of([Outcome(test="test_a", backend="redis", cell="failed")])), end="")
    # Result backends
    <BLANKLINE>
    | test | redis |
    | --- | --- |
    | `test_a` | ✗ failed |
    <BLANKLINE>
    - **redis**: 1 failed
    """
    quiet = [row for row in matrix.rows if row.is_quiet]
    loud = [row for row in matrix.rows if not row.is_quiet]
    blocks = ["# Result backends"]
    if loud:
        blocks.append(_table(matrix, loud))
    if quiet:
        summary = f"<details><summary>{_text(matrix.agreement(quiet))}</summary>"
        blocks += [summary, _table(matrix, quiet), "</details>"]
    if matrix.backends:
        blocks.append("\n".join(_backend(matrix, name) for name in matrix.backends))
    if matrix.notes:
        blocks.append("\n".join(f"- {_text(str(note))}" for note in matrix.notes))
    return "\n\n".join(blocks) + "\n"


def _table(matrix: Matrix, rows: Sequence[Row]) -> str:
    lines = [
        _line(["test", *(_text(name) for name in matrix.backends)]),
        _line(["---"] * (1 + len(matrix.backends))),
        *(_line([_code(row.test), *(_cell(outcome) for outcome in row.outcomes)]) for row in rows),
    ]
    return "\n".join(lines)


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def _cell(outcome: Outcome | None) -> str:
    return f"{SYMBOLS[outcome.cell]} {outcome.cell}" if outcome else ""


def _backend(matrix: Matrix, name: str) -> str:
    server = matrix.servers.get(name, "")
    counts = tally(outcome.cell for outcome in matrix.column(name))
    return f"- **{_text(name)}**: {counts}" + (f", on {_text(server)}" if server else "")
