"""The matrix as lines for a terminal: what differs on top, what agrees folded, nothing wider than asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Final

from .matrix import SYMBOLS, WORST_FIRST, Cell, Matrix, Row, tally

#: So many rows that agree are still listed; more become one line.
LISTED: Final = 40
SMALLEST_NAME: Final = 23
LONGEST_HEAD: Final = 20
GAP: Final = 2

BOLD: Final = "1"
COLORS: Final[Mapping[Cell, str]] = {
    "passed": "32",
    "failed": "31",
    "error": "31",
    "xpassed": "33",
    "skipped": "33",
    "xfailed": "33",
    "unavailable": "33",
    "unsupported": "36",
}


def render(matrix: Matrix, width: int = 80, *, color: bool = False, verbose: bool = False) -> list[str]:
    """Lines of at most *width* columns, readable without colour.

    Arguments:
        matrix: what to show; an empty one gives no lines.
        width: columns of the terminal.
        color: whether to add ANSI colours, which take no columns.
        verbose: list every test, also where more than 40 agree.

    >>> from pytest_celery_backends.reporting.matrix import Outcome, matrix_of
    >>> for line in render(matrix_of([
    ...     Outcome(test="test_chord", backend="redis", cell="passed", server="Redis 8.0.2 (local)"),
    ...     Outcome(test="test_chord", backend="rpc", cell="unsupported", reason="chords need a store"),
    ... ])):
    ...     print(line)
    test        redis     rpc
    test_chord  ✓ passed  u unsupported
    redis  1 passed       Redis 8.0.2 (local)
    rpc    1 unsupported
    unsupported: rpc, 1 test: chords need a store
    """
    if not matrix.rows:
        return []
    quiet = [row for row in matrix.rows if row.is_quiet]
    folded = quiet if len(quiet) > LISTED and not verbose else []
    shown = [row for row in matrix.rows if not folded or not row.is_quiet]
    lines = list(_tables(matrix, shown, width, color)) if shown else []
    if folded:
        lines += _wrapped(matrix.agreement(folded), width)
    notes = [part for note in matrix.notes for part in _wrapped(str(note), width)]
    return [*lines, *_servers(matrix, width), *notes]


def _tables(matrix: Matrix, rows: Sequence[Row], width: int, color: bool) -> Iterator[str]:
    """One table with words, or with symbols where words do not fit, or several where both do not."""
    longest = max(len("test"), *(len(row.test) for row in rows))
    columns = range(len(matrix.backends))
    words = sum(GAP + _column_width(matrix, rows, column, words=True) for column in columns)
    if words + min(longest, SMALLEST_NAME) <= width:
        yield from _table(matrix, rows, columns, width, color, words=True)
        return
    for part in _parts(matrix, width - min(longest, SMALLEST_NAME)):
        yield from _table(matrix, rows, part, width, color, words=False)
    seen = [cell for cell in WORST_FIRST if any(cell in row.cells for row in rows)]
    yield from _wrapped("  ".join(f"{SYMBOLS[cell]} {cell}" for cell in seen), width)


def _parts(matrix: Matrix, room: int) -> Iterator[list[int]]:
    """The columns, in as few groups as the room beside the names allows."""
    part: list[int] = []
    used = 0
    for column, backend in enumerate(matrix.backends):
        needed = GAP + len(_head(backend))
        if part and used + needed > room:
            yield part
            part, used = [], 0
        part.append(column)
        used += needed
    yield part


def _table(
    matrix: Matrix, rows: Sequence[Row], columns: Sequence[int], width: int, color: bool, *, words: bool
) -> Iterator[str]:
    widths = [_column_width(matrix, rows, column, words=words) for column in columns]
    longest = max(len("test"), *(len(row.test) for row in rows))
    names = max(1, min(longest, width - sum(widths) - GAP * len(widths)))
    heads = [_head(matrix.backends[column]) for column in columns]
    yield _line(["test".ljust(names)], heads, widths, [BOLD if color else ""] * len(heads))
    for row in rows:
        outcomes = [row.outcomes[column] for column in columns]
        texts = [_text(outcome.cell, words) if outcome else "" for outcome in outcomes]
        paint = [COLORS[outcome.cell] if outcome and color else "" for outcome in outcomes]
        yield _line([_shortened(row.test, names).ljust(names)], texts, widths, paint)


def _line(start: list[str], texts: Sequence[str], widths: Sequence[int], paint: Sequence[str]) -> str:
    """Cells beside each other; blanks stand outside the colours, so that both can be cut off at the end."""
    for text, size, code in zip(texts, widths, paint, strict=True):
        start.append((f"\x1b[{code}m{text}\x1b[0m" if code and text else text) + " " * (size - len(text)))
    return (" " * GAP).join(start).rstrip()


def _column_width(matrix: Matrix, rows: Sequence[Row], column: int, *, words: bool) -> int:
    texts = [_text(outcome.cell, words) for row in rows if (outcome := row.outcomes[column])]
    return max(len(text) for text in [_head(matrix.backends[column]), *texts])


def _text(cell: Cell, words: bool) -> str:
    return f"{SYMBOLS[cell]} {cell}" if words else SYMBOLS[cell]


def _head(backend: str) -> str:
    return _shortened(backend, LONGEST_HEAD)


def _shortened(name: str, room: int) -> str:
    """The end of a name says more than its start: files and parameters differ there."""
    return name if len(name) <= room else "…" + name[len(name) - room + 1 :]


def _servers(matrix: Matrix, width: int) -> list[str]:
    """Per backend: how it went in all, and what it really ran on."""
    counts = {name: tally(outcome.cell for outcome in matrix.column(name)) for name in matrix.backends}
    names = max(len(_head(name)) for name in matrix.backends)
    results = max(len(count) for count in counts.values())
    lines = []
    for name, count in counts.items():
        line = f"{_head(name):{names}}  {count:{results}}  {matrix.servers.get(name, '')}".rstrip()
        lines += [line] if len(line) <= width else _wrapped(line, width)
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)
