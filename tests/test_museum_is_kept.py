"""What each piece of the museum has to be, and that its page says what the runs showed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MUSEUM = ROOT / "tests" / "museum"
#: Lines of a body, without its docstring.
LONGEST = 15
FEWEST = 40


def pieces() -> Iterator[ast.FunctionDef]:
    for path in sorted(MUSEUM.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield node


def asked(script: str) -> str:
    """What a script says that has the module of the page."""
    program = f"import sys; sys.path.insert(0, 'docs')\nimport known_bugs\n{script}"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def length(piece: ast.FunctionDef) -> int:
    """From the first line after the docstring to the last, comments and empty ones included."""
    first = piece.body[1] if ast.get_docstring(piece) else piece.body[0]
    return (piece.end_lineno or 0) - min(_lines(first)) + 1


def _lines(node: ast.stmt) -> list[int]:
    """The lines where a statement and its decorators begin."""
    return [node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))]


def marks(piece: ast.FunctionDef) -> set[str]:
    return {ast.unparse(mark.func) for mark in piece.decorator_list if isinstance(mark, ast.Call)}


def test_there_are_enough_pieces() -> None:
    assert len(list(pieces())) >= FEWEST


@pytest.mark.parametrize("piece", list(pieces()), ids=lambda piece: piece.name)
def test_a_piece_is_short_and_says_where_it_comes_from(piece: ast.FunctionDef) -> None:
    assert length(piece) <= LONGEST
    assert {"pytest.mark.backends", "said"} <= marks(piece)
    assert named_after(piece.name) in (ast.get_docstring(piece) or "").partition(": ")[0]


def named_after(name: str) -> str:
    """The number that a piece is named after, as its tracker writes it."""
    words = name.removeprefix("test_").split("_")
    at = next(place for place, word in enumerate(words) if word.isdecimal())
    return f"{'-'.join(words[:at])}#{words[at]}"


FOUND = """
source = '''
@said("redis", fixed=(5, 6))
def test_celery_12_it_is_lost():
    "celery#12, celery#34: a row went."
'''
report = {"backends": [{"name": "redis", "server": "Redis 8 (container)"}], "tests": [
    {"test": "tests/museum/test_rows.py::test_celery_12_it_is_lost",
     "outcomes": {"redis": {"cell": "CELL", "reason": "gone"}}},
]}
known = list(known_bugs.pieces_of("test_rows", source))
found = {"5.10.0": known_bugs.answers(report), "5.5.0": known_bugs.answers(report)}
print(known_bugs.page(found, known))
"""
LINKS = ", ".join(f"[celery#{n}](https://github.com/celery/celery/issues/{n})" for n in (12, 34))


def test_the_page_says_what_was_shown_and_where_that_is_not_what_was_said() -> None:
    lines = asked(FOUND.replace("CELL", "xfailed")).splitlines()
    assert f"| {LINKS} | **it is lost**: a row went. | redis | **fails** | **fails** | gone |" in lines
    assert "| bug |  | backend | 5.5.0 | 5.10.0 | instead |" in lines
    only = LINKS.partition(", ")[0]
    assert [line for line in lines if " there |" in line] == [
        f"| {only} | redis | right on 5.10.0 | fails there |"
    ]


def test_what_was_fixed_before_it_was_said_to_be_is_told_too() -> None:
    lines = asked(FOUND.replace("CELL", "passed")).splitlines()
    only = LINKS.partition(", ")[0]
    assert [line for line in lines if " there |" in line] == [
        f"| {only} | redis | fails on 5.5.0 | right there |"
    ]


@pytest.mark.parametrize("cell", ["failed", "error", "xpassed"])
def test_a_run_that_failed_says_nothing_about_bugs(cell: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        asked(FOUND.replace("CELL", cell))
    assert f"{cell} on redis: nothing is noted of this run" in str(caught.value.stderr)
