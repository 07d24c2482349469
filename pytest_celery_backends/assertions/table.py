"""What becomes of values under serializers on backends, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

from ..grids import GridCell, as_html, as_markdown, as_text
from ..senders import Send
from ..trip import Outcome, RoundTrip

#: Why there is nothing to tell: the backend cannot do it, or cannot be had.
NotSent = Literal["unsupported", "unavailable"]

#: How many characters of a difference, or of an error, a cell shows.
WIDTH: Final = 40


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What became of one value under one serializer on one backend; ``trip`` is None where it was not sent."""

    value: str
    serializer: str
    backend: str
    outcome: Literal[Outcome, NotSent]
    reason: str = ""
    trip: RoundTrip | None = None

    def __str__(self) -> str:
        if not self.reason:
            return self.outcome
        reason = " ".join(self.reason.split())
        return f"{self.outcome}: {reason if len(reason) <= WIDTH else f'{reason[: WIDTH - 3]}...'}"


@dataclass(frozen=True, kw_only=True)
class RoundTripTable:
    """The cells, by backend, serializer and value, in the order in which these were given."""

    cells: tuple[Cell, ...]

    def cell(self, value: str, serializer: str, backend: str) -> Cell:
        """One cell, by the names that the table shows; raises KeyError."""
        return self._by_names[value, serializer, backend]

    def text(self) -> str:
        """For the terminal: a line for each value and serializer, a column for each backend."""
        return as_text(*self._grid())

    def markdown(self) -> str:
        """As Markdown; names are code, and nothing in a cell means anything."""
        return as_markdown(*self._grid())

    def html(self) -> str:
        """As an HTML table; the outcome of each cell is its class."""
        return as_html(*self._grid())

    @property
    def _by_names(self) -> Mapping[tuple[str, str, str], Cell]:
        return {(cell.value, cell.serializer, cell.backend): cell for cell in self.cells}

    def _grid(self) -> tuple[list[str], list[list[GridCell]]]:
        known = self._by_names
        backends = list(dict.fromkeys(cell.backend for cell in self.cells))
        lines = dict.fromkeys((cell.value, cell.serializer) for cell in self.cells)
        values = list(dict.fromkeys(value for value, _ in lines))
        rows = []
        for value, serializer in sorted(lines, key=lambda line: values.index(line[0])):
            found = [known.get((value, serializer, backend)) for backend in backends]
            cells = [GridCell(str(cell or ""), cell.outcome if cell else "") for cell in found]
            rows.append([GridCell(value, is_code=True), GridCell(serializer), *cells])
        return ["value", "serializer", *backends], rows


def cells(send: Send, values: Mapping[str, Any], serializer: str, backend: str) -> list[Cell]:
    """One cell for each value, which is sent."""
    cell = partial(Cell, serializer=serializer, backend=backend)
    trips = ((name, send(value)) for name, value in values.items())
    return [cell(value=name, outcome=trip.outcome, reason=_reason(trip), trip=trip) for name, trip in trips]


def not_sent(
    values: Iterable[str], serializer: str, backend: str, outcome: NotSent, reason: str
) -> list[Cell]:
    """One cell for each value, none of which is sent."""
    cell = partial(Cell, serializer=serializer, backend=backend, outcome=outcome, reason=reason)
    return [cell(value=name) for name in values]


def _reason(trip: RoundTrip) -> str:
    return f"{trip.rejected_at}, {trip.error}" if trip.rejected_at else trip.difference
