"""How every test went on every backend: plain data made from plain outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

Cell = Literal["passed", "failed", "skipped", "unsupported", "unavailable", "error", "xfailed", "xpassed"]

#: What a cell looks like where its word does not fit; the letters are pytest's own where it has one.
SYMBOLS: Final[Mapping[Cell, str]] = {
    "passed": "✓",
    "failed": "✗",
    "skipped": "s",
    "unsupported": "u",
    "unavailable": "-",
    "error": "!",
    "xfailed": "x",
    "xpassed": "X",
}

#: Of several outcomes of one test on one backend (call, then teardown) the first in this order counts.
WORST_FIRST: Final[tuple[Cell, ...]] = (
    "error",
    "failed",
    "xpassed",
    "unavailable",
    "unsupported",
    "skipped",
    "xfailed",
    "passed",
)

NEEDS_A_LOOK: Final[tuple[Cell, ...]] = ("error", "failed", "xpassed")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one test went on one backend.

    ``test`` is the node id without the backend's part of the parameter id, so that the same test on two
    backends has the same name; ``seconds`` is how long it took; ``server`` is what the backend really ran
    on, such as ``Valkey 9.1.2 (embedded)``. ``check`` has, of a check of the conformance kit, its name, the
    capability that it is about, and what else reports say of it.
    """

    test: str
    backend: str
    cell: Cell
    reason: str = ""
    seconds: float = 0.0
    server: str = ""
    check: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One test: an outcome per backend in the matrix's order, None where it does not run there."""

    test: str
    outcomes: tuple[Outcome | None, ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """What came out, on the backends that the test runs on."""
        return tuple(outcome.cell for outcome in self.outcomes if outcome)

    @property
    def differs(self) -> bool:
        """Whether it went differently somewhere; a backend that cannot be had here says nothing."""
        return len({cell for cell in self.cells if cell != "unavailable"}) > 1

    @property
    def is_quiet(self) -> bool:
        """Whether nobody needs to look at it: the same everywhere, and no failure."""
        return not self.differs and not any(cell in NEEDS_A_LOOK for cell in self.cells)


@dataclass(frozen=True, kw_only=True)
class Note:
    """Why ``tests`` tests did not run on a backend."""

    backend: str
    cell: Literal["unavailable", "unsupported"]
    reason: str
    tests: int

    def __str__(self) -> str:
        reason = " ".join(self.reason.split()) or "no reason was given"
        return f"{self.cell}: {self.backend}, {counted(self.tests, 'test')}: {reason}"


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Tests × backends: rows that differ come first, backends stand in the order in which they appeared."""

    backends: tuple[str, ...]
    servers: Mapping[str, str]
    rows: tuple[Row, ...]
    notes: tuple[Note, ...]

    def column(self, backend: str) -> tuple[Outcome, ...]:
        """Every outcome on one backend."""
        place = self.backends.index(backend)
        return tuple(outcome for row in self.rows if (outcome := row.outcomes[place]))

    def agreement(self, rows: Sequence[Row]) -> str:
        """One line for many rows that agree: how many, where, and how they went."""
        tests = counted(len(rows), "test")
        counts = tally(row_cell(row) for row in rows)
        if len(self.backends) == 1:
            return f"{tests} on {self.backends[0]}: {counts}"
        verb = "agrees" if len(rows) == 1 else "agree"
        everywhere = all(len(row.cells) == len(self.backends) for row in rows)
        if any("unavailable" in row.cells for row in rows):
            where = "on every backend that could be had"
        else:
            where = f"on all {len(self.backends)} backends" if everywhere else "on every backend marked"
        return f"{tests} {verb} {where}: {counts}"


def matrix_of(outcomes: Iterable[Outcome]) -> Matrix:
    """The matrix of some outcomes, in whatever order they came.

    Several outcomes of one test on one backend become one: the worst, and the seconds of all.

    >>> matrix = matrix_of([
    ...     Outcome(test="test_a", backend="redis", cell="passed"),
    ...     Outcome(test="test_b", backend="redis", cell="passed"),
    ...     Outcome(test="test_b", backend="rpc", cell="failed"),
    ... ])
    >>> matrix.backends, [row.test for row in matrix.rows]
    (('redis', 'rpc'), ['test_b', 'test_a'])
    """
    merged: dict[tuple[str, str], Outcome] = {}
    for outcome in outcomes:
        key = (outcome.test, outcome.backend)
        merged[key] = _worse(merged[key], outcome) if key in merged else outcome
    backends = tuple(dict.fromkeys(outcome.backend for outcome in merged.values()))
    rows = [
        Row(test=test, outcomes=tuple(merged.get((test, backend)) for backend in backends))
        for test in dict.fromkeys(outcome.test for outcome in merged.values())
    ]
    return Matrix(
        backends=backends,
        servers={outcome.backend: outcome.server for outcome in merged.values() if outcome.server},
        rows=tuple(sorted(rows, key=lambda row: not row.differs)),
        notes=_notes(merged.values(), backends),
    )


def tally(cells: Iterable[Cell]) -> str:
    """How often each came, what needs a look first.

    >>> tally(["passed", "failed", "passed"])
    '1 failed, 2 passed'
    """
    seen = list(cells)
    return ", ".join(f"{seen.count(cell)} {cell}" for cell in WORST_FIRST if cell in seen)


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "test"), counted(2, "test")
    ('1 test', '2 tests')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def row_cell(row: Row) -> Cell:
    """What a row that agrees came to; unavailable only where that is all there is."""
    return next((cell for cell in row.cells if cell != "unavailable"), "unavailable")


def _worse(first: Outcome, second: Outcome) -> Outcome:
    worst = min(first, second, key=lambda outcome: WORST_FIRST.index(outcome.cell))
    server = second.server or first.server
    return replace(worst, seconds=first.seconds + second.seconds, server=server)


def _notes(outcomes: Iterable[Outcome], backends: Sequence[str]) -> tuple[Note, ...]:
    """One per backend that is unavailable, one per backend and reason where it is unsupported."""
    tests: dict[tuple[str, str], int] = {}
    reasons: dict[tuple[str, str], Outcome] = {}
    for outcome in outcomes:
        if outcome.cell in ("unavailable", "unsupported"):
            key = (outcome.backend, "" if outcome.cell == "unavailable" else f"unsupported {outcome.reason}")
            tests[key] = tests.get(key, 0) + 1
            reasons.setdefault(key, outcome)
    return tuple(
        Note(
            backend=backend,
            cell="unsupported" if reasons[backend, about].cell == "unsupported" else "unavailable",
            reason=reasons[backend, about].reason,
            tests=tests[backend, about],
        )
        for backend, about in sorted(tests, key=lambda key: (key[1] != "", backends.index(key[0])))
    )
