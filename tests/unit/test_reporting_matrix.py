"""The matrix: what is merged, what stands first, what is noted."""

from __future__ import annotations

from typing import get_args

from pytest_celery_backends.reporting.matrix import (
    SYMBOLS,
    WORST_FIRST,
    Cell,
    Note,
    Outcome,
    matrix_of,
    tally,
)


def outcome(
    test: str, backend: str, cell: Cell = "passed", reason: str = "", seconds: float = 0.0
) -> Outcome:
    return Outcome(test=test, backend=backend, cell=cell, reason=reason, seconds=seconds)


def test_backends_stand_in_the_order_in_which_they_appeared() -> None:
    matrix = matrix_of(
        [outcome("a", "redis"), outcome("a", "memory"), outcome("b", "file"), outcome("b", "redis")]
    )
    assert matrix.backends == ("redis", "memory", "file")


def test_rows_that_differ_come_first_and_the_rest_keeps_its_order() -> None:
    matrix = matrix_of(
        [
            *(outcome(test, "redis") for test in ("a", "b", "c", "d")),
            outcome("d", "rpc", "failed"),
            outcome("a", "rpc"),
            outcome("b", "rpc", "unsupported"),
        ]
    )
    assert [row.test for row in matrix.rows] == ["b", "d", "a", "c"]


def test_a_test_that_does_not_run_on_a_backend_does_not_differ_for_it() -> None:
    (row,) = (row for row in matrix_of([outcome("a", "redis"), outcome("b", "rpc")]).rows if row.test == "a")
    assert (row.outcomes[1], row.cells, row.differs) == (None, ("passed",), False)


def test_an_unavailable_backend_makes_no_test_differ() -> None:
    matrix = matrix_of([outcome("a", "redis", "unavailable", "no engine"), outcome("a", "sqlite")])
    assert [row.differs for row in matrix.rows] == [False]


def test_the_worst_of_several_outcomes_counts_whichever_comes_first() -> None:
    for cells in (("passed", "error"), ("error", "passed")):
        (row,) = matrix_of([outcome("a", "redis", cell) for cell in cells]).rows
        assert row.cells == ("error",)


def test_seconds_of_several_outcomes_are_added_up() -> None:
    (row,) = matrix_of([outcome("a", "redis", seconds=1.5), outcome("a", "redis", seconds=0.25)]).rows
    assert [each.seconds for each in row.outcomes if each] == [1.75]


def test_a_backends_server_is_kept_from_the_outcome_that_knows_it() -> None:
    known = Outcome(test="a", backend="redis", cell="passed", server="Redis 8.0.2 (local)")
    assert matrix_of([outcome("b", "redis"), known]).servers == {"redis": "Redis 8.0.2 (local)"}


def test_unavailable_is_noted_once_per_backend_and_unsupported_once_per_reason() -> None:
    matrix = matrix_of(
        [
            outcome("a", "rpc", "unsupported", "no chords"),
            outcome("b", "rpc", "unsupported", "no chords"),
            outcome("c", "rpc", "unsupported", "no groups"),
            outcome("a", "redis", "unavailable", "no engine"),
            outcome("b", "redis", "unavailable", "no engine, still"),
        ]
    )
    assert matrix.notes == (
        Note(backend="redis", cell="unavailable", reason="no engine", tests=2),
        Note(backend="rpc", cell="unsupported", reason="no chords", tests=2),
        Note(backend="rpc", cell="unsupported", reason="no groups", tests=1),
    )


def test_a_note_is_one_line_whatever_its_reason_is() -> None:
    note = Note(backend="redis", cell="unavailable", reason="no engine\n  type: this", tests=1)
    assert str(note) == "unavailable: redis, 1 test: no engine type: this"


def test_many_rows_that_agree_are_one_line_with_counts() -> None:
    matrix = matrix_of(outcome(test, backend) for test in ("a", "b") for backend in ("redis", "rpc"))
    assert matrix.agreement(matrix.rows) == "2 tests agree on all 2 backends: 2 passed"


def test_rows_that_do_not_run_everywhere_are_said_to_agree_where_they_do() -> None:
    matrix = matrix_of([outcome("a", "redis"), outcome("a", "rpc"), outcome("b", "rpc", "skipped")])
    assert matrix.agreement(matrix.rows) == "2 tests agree on every backend marked: 1 skipped, 1 passed"


def test_a_backend_that_could_not_be_had_agrees_with_nothing() -> None:
    matrix = matrix_of([outcome("a", "redis"), outcome("a", "rpc", "unavailable")])
    assert matrix.agreement(matrix.rows) == "1 test agrees on every backend that could be had: 1 passed"


def test_one_backend_has_nothing_to_agree_with() -> None:
    matrix = matrix_of([outcome("a", "redis")])
    assert matrix.agreement(matrix.rows) == "1 test on redis: 1 passed"


def test_a_failure_everywhere_is_not_quiet() -> None:
    (row,) = matrix_of([outcome("a", "redis", "failed"), outcome("a", "rpc", "failed")]).rows
    assert (row.differs, row.is_quiet) == (False, False)


def test_every_cell_has_a_rank_and_a_symbol_of_its_own() -> None:
    assert sorted(get_args(Cell)) == sorted(WORST_FIRST) == sorted(SYMBOLS)
    assert len(set(SYMBOLS.values())) == len(SYMBOLS)


def test_nothing_makes_an_empty_matrix() -> None:
    matrix = matrix_of([])
    assert (matrix.backends, matrix.rows, matrix.notes, tally([])) == ((), (), (), "")
