"""Tables of text, for the terminal, in Markdown and in HTML: pure functions of their cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import NamedTuple


class GridCell(NamedTuple):
    """What stands in a cell; ``kind`` is its class in HTML."""

    text: str
    kind: str = ""
    is_code: bool = False


Rows = Sequence[Sequence[GridCell]]


def as_text(head: Sequence[str], rows: Rows) -> str:
    """Columns as wide as what is in them.

    >>> print(as_text(["value", "redis"], [[GridCell("a tuple"), GridCell("same")]]))
    value    redis
    a tuple  same
    """
    lines = [list(head), *([" ".join(cell.text.split()) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = ([text.ljust(width) for text, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def as_markdown(head: Sequence[str], rows: Rows) -> str:
    """A table that is read the same before it is rendered.

    >>> print(as_markdown(["value"], [[GridCell("a|b", is_code=True)], [GridCell("a*b")]]))
    | value |
    | --- |
    | `a\\|b` |
    | a\\*b |
    """
    texts = [
        [markdown_code(cell.text) if cell.is_code else markdown_text(cell.text) for cell in row]
        for row in rows
    ]
    lines = [[markdown_text(name) for name in head], ["---"] * len(head), *texts]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_html(head: Sequence[str], rows: Rows) -> str:
    """A table element.

    >>> print(as_html(["value"], [[GridCell("<b>", "same")]]))
    <table>
    <thead><tr><th scope="col">value</th></tr></thead>
    <tbody>
    <tr><td class="same">&lt;b&gt;</td></tr>
    </tbody>
    </table>
    """
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = ["".join(map(_html_cell, row)) for row in rows]
    body = [f"<tr>{line}</tr>" for line in lines]
    return "\n".join(
        ["<table>", f"<thead><tr>{heads}</tr></thead>", "<tbody>", *body, "</tbody>", "</table>"]
    )


def _html_cell(cell: GridCell) -> str:
    kind = f' class="{escape(cell.kind)}"' if cell.kind else ""
    text = f"<code>{escape(cell.text)}</code>" if cell.is_code else escape(cell.text)
    return f"<td{kind}>{text}</td>"


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is: one line, nothing in it means anything.

    >>> markdown_text("a_b")
    'a\\\\_b'
    """
    return re.sub(r"([\\`*_\[\]<>|~&#])", r"\\\1", " ".join(text.split()))


def markdown_code(text: str) -> str:
    """A code span: its fence is no run of backticks inside it, and a bar does not end the cell.

    >>> markdown_code("a`b")
    '`` a`b ``'
    """
    shown = " ".join(text.split()).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    padding = " " if "`" in shown else ""
    return f"{fence}{padding}{shown}{padding}{fence}"
