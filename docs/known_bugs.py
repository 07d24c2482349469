"""The page of known bugs, out of runs of tests/museum.

What a run showed is noted in ``docs/reference/known-bugs.json``, by Celery's version and by piece; what was said of
each is in the pieces' own marks, and the page compares the two.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import measured

from pytest_celery_backends.upstream import with_links

ROOT: Final = Path(__file__).parents[1]
MUSEUM: Final = ROOT / "tests" / "museum"
NOTED: Final = ROOT / "docs" / "reference" / "known-bugs.json"
#: What begins the name of a piece, and where its number leads.
TRACKERS: Final = {"celery": "celery", "kombu": "kombu", "django_celery_results": "django-celery-results"}
NAME: Final = re.compile(rf"test_({'|'.join(TRACKERS)})_(\d+)_(\w+)")

#: What a piece's docstring begins with: "celery#1, celery#22: "
_ISSUES: Final = re.compile(r"(?:[\w-]+#\d+(?:, |: )?)+")

#: By backend: "" where it is right, else what is there instead.
Answers = Mapping[str, str]
#: By Celery's version: ``servers``, by backend, and ``pieces``: by name, then by backend.
Found = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One reported bug, as its test has it; ``said`` gives since which release and until which it was said to be."""

    name: str
    module: str
    about: str
    said: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)

    @property
    def issue(self) -> str:
        """
        >>> Piece(name="test_django_celery_results_40_a_group_is_lost", module="", about="").issue
        'django-celery-results#40'
        """
        tracker, number, _ = self._parts
        return f"{TRACKERS[tracker]}#{number}"

    @property
    def title(self) -> str:
        """
        >>> Piece(name="test_celery_461_a_blob_ends", module="", about="").title
        'a blob ends'
        """
        return self._parts[2].replace("_", " ")

    @property
    def issues(self) -> list[str]:
        """All that its docstring begins with, the one that it is named after first."""
        first = _ISSUES.match(self.about)
        return list(dict.fromkeys([self.issue, *re.findall(r"[\w-]+#\d+", first.group() if first else "")]))

    @property
    def story(self) -> str:
        """What its docstring says beside the numbers.

        >>> Piece(name="test_celery_1_it_is_lost", module="", about="celery#1, celery#22: a row went.").story
        'a row went.'
        """
        return _ISSUES.sub("", self.about)

    @property
    def _parts(self) -> tuple[str, str, str]:
        matched = NAME.fullmatch(self.name)
        if matched is None:
            raise ValueError(f"{self.name} is not named after a tracker and a number")
        tracker, number, title = matched.groups()
        return tracker, number, title

    def was_said_to_fail(self, backend: str, release: tuple[int, ...]) -> bool:
        """Whether the report, or what was written about it, says that this Celery has the bug there."""
        since, fixed = self.said.get(backend, ((0,), (0,)))
        return since <= release[:2] < fixed


def pieces() -> list[Piece]:
    """Every piece of the museum, by module and in the order written."""
    return [piece for path in sorted(MUSEUM.glob("test_*.py")) for piece in pieces_of(path.stem, _read(path))]


def pieces_of(module: str, source: str) -> Iterator[Piece]:
    """The pieces of one module.

    >>> source = '@said("redis", fixed=(5, 7))\\ndef test_celery_1_it_is_lost(): "celery#1"'
    >>> [piece] = pieces_of("test_redis", source)
    >>> piece.was_said_to_fail("redis", (5, 6, 3)), piece.was_said_to_fail("redis", (5, 7, 0))
    (True, False)
    """
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            about = " ".join((ast.get_docstring(node) or "").split())
            yield Piece(name=node.name, module=module, about=about, said=dict(_said(node)))


def _said(node: ast.FunctionDef) -> Iterator[tuple[str, tuple[tuple[int, ...], tuple[int, ...]]]]:
    for mark in node.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "said":
            given = {each.arg: ast.literal_eval(each.value) for each in mark.keywords}
            for backend in map(ast.literal_eval, mark.args):
                yield backend, (given.get("since", (0,)), given.get("fixed", (99,)))


# -- runs


def measure() -> None:
    """Run the museum on what works here, and note what this Celery did."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "results.json"
        command = [sys.executable, "-m", "pytest", str(MUSEUM), "-q", f"--celery-backends-report={report}"]
        subprocess.run([*command, "--celery-backends-unavailable=skip"], cwd=ROOT, check=False)
        answered = answers(json.loads(_read(report)))
    found = json.loads(_read(NOTED)) if NOTED.exists() else {}
    found[version("celery")] = answered
    text = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True)
    NOTED.write_text(f"{text}\n", encoding="utf-8")


def answers(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the pieces showed in one JSON report; a piece that failed is an error, not an answer."""
    by_backend = measured.answers(report)
    shown: dict[str, dict[str, str]] = {}
    for test in report["tests"]:
        name = test["test"].partition("::")[2]
        ran = {
            backend: outcome["reason"] if outcome["cell"] == "xfailed" else ""
            for backend, outcome in test["outcomes"].items()
            if outcome["cell"] in ("passed", "xfailed")
        }
        if ran:
            shown[name] = ran
    return {"servers": {name: each["server"] for name, each in by_backend.items()}, "pieces": shown}


# -- the page


def page(found: Found, known: Sequence[Piece]) -> str:
    """The page's text."""
    releases = sorted(found, key=_release)
    return "\n\n".join(
        [
            "# Known bugs",
            f"{len(known)} bugs and surprises out of the issue trackers of Celery, kombu and "
            "django-celery-results, each a test of `tests/museum` that states what is expected: "
            "[how one is made](../how-to/reproduce-a-bug.md). It is expected to fail where a bug is still there, "
            "and the suite says so once it is not. **fails** or right is what the runs showed, on the servers named "
            "below, emulators by their own names; what is there instead is said in the words of the piece.",
            _still_there(found, releases),
            *_sections(found, releases, known),
            "## Where the runs say otherwise than the reports",
            "What a report, a changelog or a reading of Celery's source says, against what was run. Right can also "
            "mean that a piece does not do all that whoever reported it did.",
            _table(["bug", "backend", "said", "shown"], list(_otherwise(found, releases, known))),
            "## What it ran on",
            _table(["backend", *(f"Celery {each}" for each in releases)], list(_servers(found, releases))),
        ]
    )


def _still_there(found: Found, releases: Sequence[str]) -> str:
    """One sentence for each release."""
    counts = {
        release: [any(backends.values()) for backends in found[release]["pieces"].values()]
        for release in releases
    }
    return " ".join(
        f"Celery {release} has {sum(fails)} of the {len(fails)} that were run, on one backend or more."
        for release, fails in counts.items()
    )


def _sections(found: Found, releases: Sequence[str], known: Sequence[Piece]) -> Iterator[str]:
    for module in dict.fromkeys(piece.module for piece in known):
        yield f"## {module.removeprefix('test_').capitalize()}"
        head = ["bug", "", "backend", *releases, "instead"]
        yield _table(
            head, [row for piece in known if piece.module == module for row in _rows(found, releases, piece)]
        )


def _rows(found: Found, releases: Sequence[str], piece: Piece) -> Iterator[list[str]]:
    """One for each set of backends that do the same."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for backend in _backends(found, releases, piece.name):
        shown = tuple(_shown(found, release, piece.name, backend) for release in releases)
        instead = "; ".join(dict.fromkeys(filter(None, _reasons(found, releases, piece.name, backend))))
        alike.setdefault((*shown, instead), []).append(backend)
    for number, (cells, backends) in enumerate(alike.items()):
        first = [with_links(", ".join(piece.issues)), f"**{piece.title}**: {piece.story}"]
        yield [*(first if number == 0 else ["", ""]), ", ".join(backends), *cells]


def _backends(found: Found, releases: Sequence[str], name: str) -> list[str]:
    return list(
        dict.fromkeys(each for release in releases for each in found[release]["pieces"].get(name, ()))
    )


def _shown(found: Found, release: str, name: str, backend: str) -> str:
    reason = found[release]["pieces"].get(name, {}).get(backend)
    return "not run" if reason is None else "**fails**" if reason else "right"


def _reasons(found: Found, releases: Sequence[str], name: str, backend: str) -> Iterator[str]:
    for release in releases:
        yield found[release]["pieces"].get(name, {}).get(backend, "")


def _otherwise(found: Found, releases: Sequence[str], known: Sequence[Piece]) -> Iterator[list[str]]:
    for piece in known:
        for backend in _backends(found, releases, piece.name):
            for fails, said, shown in ((True, "fails", "right"), (False, "right", "fails")):
                where = [
                    release
                    for release in releases
                    if piece.was_said_to_fail(backend, _release(release)) is fails
                    and _shown(found, release, piece.name, backend).strip("*") == shown
                ]
                if where:
                    on = ", ".join(where)
                    yield [with_links(piece.issue), backend, f"{said} on {on}", f"{shown} there"]


def _servers(found: Found, releases: Sequence[str]) -> Iterator[list[str]]:
    for backend in sorted({name for release in releases for name in found[release]["servers"]}):
        yield [
            f"[{backend}](backends/{backend}.md)",
            *(found[each]["servers"].get(backend, "not run") for each in releases),
        ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('``', '`').replace('|', chr(92) + '|') for cell in line)} |"
        for line in lines
    )


def _release(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".") if part.isdecimal())


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
