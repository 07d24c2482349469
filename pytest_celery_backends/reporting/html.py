"""The matrix as one HTML file that needs nothing else."""

from __future__ import annotations

from html import escape
from typing import Final

from .matrix import SYMBOLS, Matrix, Outcome, Row, tally

STYLE: Final = """\
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem; }
table { border-collapse: collapse; }
caption { text-align: left; padding-bottom: .6rem; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8884; }
th, td { white-space: nowrap; }
thead th { position: sticky; top: 0; background: Canvas; }
tbody th { font: 13px ui-monospace, monospace; white-space: normal; overflow-wrap: anywhere; }
.passed { color: light-dark(#1a7f37, #3fb950); }
.failed, .error { color: light-dark(#cf222e, #f85149); font-weight: 600; }
.unsupported { color: light-dark(#0969da, #58a6ff); }
.skipped, .xfailed, .xpassed, .unavailable { color: light-dark(#9a6700, #d29922); }
tr.differs th { font-weight: 700; }
"""


def render(matrix: Matrix) -> str:
    """A page: the table, how each backend did in all, why tests did not run.

    A column's head shows its server, and a cell its reason and seconds, when pointed at.

    >>> from pytest_celery_backends.reporting.matrix import Outcome, matrix_of
    >>> page = render(matrix_of([Outcome(test="test_a[<b>]", backend="redis", cell="passed")]))
    >>> "test_a[&lt;b&gt;]" in page
    True
    """
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        "<title>Result backends</title>",
        f"<style>\n{STYLE}</style>",
        "<h1>Result backends</h1>",
        *_table(matrix),
        *_notes(matrix),
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _table(matrix: Matrix) -> list[str]:
    differing = sum(row.differs for row in matrix.rows)
    heads = "".join(_head(name, matrix.servers.get(name, "")) for name in matrix.backends)
    counts = [tally(outcome.cell for outcome in matrix.column(name)) for name in matrix.backends]
    totals = "".join(f"<td>{count}</td>" for count in counts)
    return [
        "<table>",
        f"<caption>{differing} of {len(matrix.rows)} tests differ between backends</caption>",
        f'<thead><tr><th scope="col">test</th>{heads}</tr></thead>',
        "<tbody>",
        *(_row(row) for row in matrix.rows),
        "</tbody>",
        f'<tfoot><tr><th scope="row">in all</th>{totals}</tr></tfoot>',
        "</table>",
    ]


def _head(name: str, server: str) -> str:
    return f'<th scope="col"{_title(server)}>{escape(name)}</th>'


def _row(row: Row) -> str:
    start = '<tr class="differs">' if row.differs else "<tr>"
    return f'{start}<th scope="row">{escape(row.test)}</th>{"".join(map(_cell, row.outcomes))}</tr>'


def _cell(outcome: Outcome | None) -> str:
    if outcome is None:
        return "<td></td>"
    about = [outcome.reason] if outcome.reason else []
    if outcome.seconds:
        about.append(f"{outcome.seconds:.3f} s")
    return f'<td class="{outcome.cell}"{_title(", ".join(about))}>{SYMBOLS[outcome.cell]} {outcome.cell}</td>'


def _title(text: str) -> str:
    return f' title="{escape(text)}"' if text else ""


def _notes(matrix: Matrix) -> list[str]:
    if not matrix.notes:
        return []
    return ["<ul>", *(f"<li>{escape(str(note))}</li>" for note in matrix.notes), "</ul>"]
