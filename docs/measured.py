"""Pages of what backends really do, out of reports of tests that ran on every backend.

A report is noted in a JSON file beside its page, by Celery's version and by backend; the page is made of that and of
the tests' own docstrings.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

#: What one backend answered on one Celery: ``server``, ``reads`` (how many) and ``differs`` (read -> instead).
Answers = Mapping[str, Any]
#: By Celery's version, then by backend.
Found = Mapping[str, Mapping[str, Answers]]


def answers(report: Mapping[str, Any]) -> dict[str, Answers]:
    """What the backends of one JSON report answered; a test that failed is an error, not an answer."""
    servers = {each["name"]: each["server"] for each in report["backends"]}
    reads: dict[str, int] = defaultdict(int)
    differs: dict[str, dict[str, str]] = defaultdict(dict)
    for test in report["tests"]:
        name = test["test"].partition("::test_")[2]
        for backend, outcome in test["outcomes"].items():
            if outcome["cell"] in ("failed", "error", "xpassed"):
                raise SystemExit(
                    f"{test['test']} {outcome['cell']} on {backend}: nothing is noted of this run"
                )
            if outcome["cell"] in ("passed", "xfailed", "unsupported"):
                reads[backend] += 1
            if outcome["cell"] in ("xfailed", "unsupported"):
                differs[backend][name] = outcome["reason"]
    return {
        backend: {"server": servers[backend], "reads": number, "differs": differs[backend]}
        for backend, number in reads.items()
    }


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page: its tests, a file in ``tests/backends``; *read* is what one test tries, in a word."""

    tests: str
    title: str
    about: str
    read: str = "read"


PAGES: Final[Mapping[str, Page]] = {
    "async-result": Page(
        tests="test_async_result.py",
        title="Reading a result: what differs",
        about="Every read of `AsyncResult`, `GroupResult` and `ResultSet` was tried on each of these backends, on "
        "the servers named.",
    ),
    "expiry": Page(
        tests="test_expiry.py",
        title="When results go: what differs",
        about="What `result_expires`, `celery.backend_cleanup` and `forget()` remove, and when, was tried on each of "
        "these backends, on the servers named.",
        read="what was tried",
    ),
}


def text(page: Page, found: Found, source: str) -> str:
    """The page's text; *source* is that of its tests."""
    releases = sorted(found, key=_release)
    return (
        "\n\n".join(
            [
                f"# {page.title}",
                f"{page.about} What is not listed answers as Celery documents it. Each line is a test of "
                f"`tests/backends/{page.tests}` that is expected to fail there, and the suite says so once it "
                "does not; or one that asks for what the backend is declared to lack.",
                _overview(found, releases),
                *_sections(page, found, releases),
                "## What was tried",
                _table(
                    [page.read, "documented as"],
                    [[_sentence(name), _cell(doc)] for name, doc in documented(source)],
                ),
            ]
        )
        + "\n"
    )


def documented(source: str) -> Iterator[tuple[str, str]]:
    """Each test's name without ``test_``, and what it rests on.

    >>> list(documented('def test_get():\\n    "Wait until the task is ready."'))
    [('get', 'Wait until the task is ready.')]
    """
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name.removeprefix("test_"), " ".join((ast.get_docstring(node) or "").split())


def _overview(found: Found, releases: Sequence[str]) -> str:
    backends = list(dict.fromkeys(name for release in releases[::-1] for name in found[release]))
    rows = [
        [f"[{name}](backends/{name}.md)", *(_count(found[each].get(name)) for each in releases)]
        for name in backends
    ]
    return _table(["as documented", *(f"Celery {each}" for each in releases)], rows)


def _count(answer: Answers | None) -> str:
    if answer is None:
        return "not run"
    return f"{answer['reads'] - len(answer['differs'])} of {answer['reads']}, {answer['server']}"


def _sections(page: Page, found: Found, releases: Sequence[str]) -> Iterator[str]:
    """One for each set of backends that answer the same."""
    alike: dict[tuple[tuple[str, str, str], ...], list[str]] = defaultdict(list)
    for backend in dict.fromkeys(name for release in releases[::-1] for name in found[release]):
        alike[tuple(_differences(found, releases, backend))].append(backend)
    for differences, backends in alike.items():
        yield f"## {', '.join(backends)}"
        rows = [[_sentence(name), _cell(instead), where] for name, instead, where in differences]
        yield _table([page.read, "there", "on Celery"], rows) if rows else "Nothing differs."


def _differences(found: Found, releases: Sequence[str], backend: str) -> Iterator[tuple[str, str, str]]:
    """Each read that is answered otherwise, what is given instead, and on which Celery."""
    ran = [release for release in releases if backend in found[release]]
    seen: dict[tuple[str, str], list[str]] = defaultdict(list)
    for release in ran:
        for name, instead in found[release][backend]["differs"].items():
            seen[name, instead].append(release)
    for (name, instead), where in sorted(seen.items()):
        yield name, instead, "all" if where == ran else ", ".join(where)


def _sentence(name: str) -> str:
    return name.replace("_", " ")


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows])


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
