"""The matrix in a terminal, line by line."""

from __future__ import annotations

import re

import pytest

from pytest_celery_backends.reporting.matrix import Cell, Matrix, Outcome, matrix_of
from pytest_celery_backends.reporting.terminal import render

SIX = ("redis", "postgres", "sqlite", "filesystem", "rpc", "memory")


def small() -> Matrix:
    cells: tuple[tuple[str, str, Cell], ...] = (
        ("tests/test_orders.py::test_total", "redis", "passed"),
        ("tests/test_orders.py::test_total", "rpc", "passed"),
        ("tests/test_orders.py::test_total", "postgres", "unavailable"),
        ("tests/test_orders.py::test_chord", "redis", "passed"),
        ("tests/test_orders.py::test_chord", "rpc", "unsupported"),
        ("tests/test_orders.py::test_chord", "postgres", "unavailable"),
        ("tests/test_orders.py::test_only", "redis", "failed"),
    )
    reasons = {"unsupported": "rpc keeps no count of parts", "unavailable": "Docker does not answer"}
    servers = {"redis": "Valkey 9.1.2 (embedded)", "rpc": "in-process broker (embedded)"}
    return matrix_of(
        Outcome(
            test=test, backend=name, cell=cell, reason=reasons.get(cell, ""), server=servers.get(name, "")
        )
        for test, name, cell in cells
    )


def many(tests: int, *backends: str) -> Matrix:
    return matrix_of(
        Outcome(test=f"tests/test_many.py::test_number_{number}", backend=name, cell="passed")
        for number in range(tests)
        for name in backends
    )


def test_words_are_shown_where_they_fit() -> None:
    assert render(small(), 90) == [
        "test                              redis     rpc            postgres",
        "tests/test_orders.py::test_chord  ✓ passed  u unsupported  - unavailable",
        "tests/test_orders.py::test_total  ✓ passed  ✓ passed       - unavailable",
        "tests/test_orders.py::test_only   ✗ failed",
        "redis     1 failed, 2 passed       Valkey 9.1.2 (embedded)",
        "rpc       1 unsupported, 1 passed  in-process broker (embedded)",
        "postgres  2 unavailable",
        "unavailable: postgres, 2 tests: Docker does not answer",
        "unsupported: rpc, 1 test: rpc keeps no count of parts",
    ]


def test_names_lose_their_start_where_the_line_is_short() -> None:
    assert render(small(), 70)[1:3] == [
        "…ts/test_orders.py::test_chord  ✓ passed  u unsupported  - unavailable",
        "…ts/test_orders.py::test_total  ✓ passed  ✓ passed       - unavailable",
    ]


def test_symbols_with_a_legend_are_shown_where_words_do_not_fit() -> None:
    assert render(small(), 50)[:5] == [
        "test                          redis  rpc  postgres",
        "…/test_orders.py::test_chord  ✓      u    -",
        "…/test_orders.py::test_total  ✓      ✓    -",
        "…s/test_orders.py::test_only  ✗",
        "✗ failed  - unavailable  u unsupported  ✓ passed",
    ]


def test_backends_that_do_not_fit_beside_each_other_stand_below_each_other() -> None:
    assert render(many(1, *SIX), 50)[:5] == [
        "test                       redis  postgres  sqlite",
        "…t_many.py::test_number_0  ✓      ✓         ✓",
        "test                       filesystem  rpc  memory",
        "…t_many.py::test_number_0  ✓           ✓    ✓",
        "✓ passed",
    ]


def test_the_six_backends_of_every_machine_stand_in_one_table_on_80_columns() -> None:
    six = ("redis", "postgres", "sqlite", "filesystem", "rpc-memory", "memory")
    assert render(many(1, *six), 80)[:3] == [
        "test                     redis  postgres  sqlite  filesystem  rpc-memory  memory",
        "…many.py::test_number_0  ✓      ✓         ✓       ✓           ✓           ✓",
        "✓ passed",
    ]


@pytest.mark.parametrize("width", [60, 80, 132])
def test_no_line_is_wider_than_asked(width: int) -> None:
    matrix = many(3, *SIX, *(f"backend-with-a-long-name-{number}" for number in range(12)))
    assert max(len(line) for line in render(matrix, width)) <= width


def test_many_tests_that_agree_are_one_line() -> None:
    assert render(many(41, "redis", "rpc")) == [
        "41 tests agree on all 2 backends: 41 passed",
        "redis  41 passed",
        "rpc    41 passed",
    ]


def test_a_test_that_differs_is_shown_above_many_that_agree() -> None:
    outcomes = [each for row in many(41, "redis", "rpc").rows for each in row.outcomes if each]
    lines = render(matrix_of([*outcomes, Outcome(test="test_x", backend="rpc", cell="failed")]))
    assert lines[:3] == [
        "test    redis  rpc",
        "test_x         ✗ failed",
        "41 tests agree on all 2 backends: 41 passed",
    ]


def test_forty_tests_that_agree_are_all_listed() -> None:
    assert len(render(many(40, "redis"))) == 1 + 40 + 1


def test_verbose_lists_every_test() -> None:
    assert len(render(many(41, "redis"), verbose=True)) == 1 + 41 + 1


def test_long_reasons_are_wrapped_and_not_cut() -> None:
    reason = "chords need a store that counts, and a reply queue is none: " + "word " * 20
    outcome = Outcome(test="test_a", backend="rpc", cell="unsupported", reason=reason)
    lines = render(matrix_of([outcome]), 60)
    assert " ".join(line.strip() for line in lines[3:]) == f"unsupported: rpc, 1 test: {reason.strip()}"


def test_colour_adds_nothing_but_colour() -> None:
    coloured = render(small(), 90, color=True)
    assert "\x1b[32m✓ passed\x1b[0m  \x1b[36mu unsupported\x1b[0m" in coloured[1]
    assert [re.sub(r"\x1b\[\d+m", "", line) for line in coloured] == render(small(), 90)


def test_nothing_is_shown_where_nothing_ran() -> None:
    assert render(matrix_of([])) == []
