"""What backends do, as tables: checks by backends on the newest Celery, and what changed between its releases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ..grids import markdown_text as _text
from ..upstream import issues_in, with_links
from .conformance import Verdict
from .matrix import counted
from .merged import Answer, Check, Column, Merged

#: What stands in a cell.
SIGNS: Final[dict[Verdict, str]] = {
    "conform": "✓",
    "unsupported": "no",
    "known gap": "gap",
    "failure": "✗",
    "skipped": "skipped",
    "unavailable": "unavailable",
}
LEGEND: Final = (
    "✓ conforms, **no**: cannot by design, or is not concerned, **gap**: should and does not yet, "
    "**✗**: fails, and nobody has said why, empty: was not run."
)
#: The page that ``page`` is, as others link to it.
BEHAVIOUR: Final = "behaviour.md"


def page(merged: Merged) -> str:
    """Checks by backends, on the newest release of Celery that there is a report of; then what each check says.

    >>> from pytest_celery_backends.reporting.merged import merge
    >>> check = {"check": "TestStates::test_it_is_kept", "topic": "states", "capability": "core", "rests_on": "docs"}
    >>> outcomes = {"redis": {"verdict": "known gap", "reason": "lost (celery#1)"}}
    >>> redis = {"name": "redis", "subject": "redis 8.0.2", "server": "Redis 8.0.2 (container)"}
    >>> told = {"celery": "5.7.0", "backends": [redis], "checks": [{**check, "outcomes": outcomes}]}
    >>> text = page(merge({"a.json": {"conformance": told}}))
    >>> print(text[text.index("| states |"):].split("## What")[0])
    | states | redis |
    | --- | --- |
    | it is kept | [gap](#teststates-it-is-kept) [celery#1](https://github.com/celery/celery/issues/1) |
    <BLANKLINE>
    <BLANKLINE>
    """
    release = merged.ordered_releases[-1]
    columns = dict(sorted(merged.releases[release].items()))
    blocks = [
        f"# What backends do on Celery {release}",
        f"{counted(len(merged.checks), 'check')} of the conformance kit on {counted(len(columns), 'backend')}: "
        f"{LEGEND} What differs leads to what the check says, and to where that is followed.",
        _table(
            ["backend", "server", "conform", "no", "gaps", "fail"],
            [[_text(name), _text(column.server), *_counts(column)] for name, column in columns.items()],
        ),
        *(_topic(topic, checks, columns) for topic, checks in merged.topics.items()),
        "## What each check says",
        *(_said(topic, checks, columns) for topic, checks in merged.topics.items()),
    ]
    return "\n\n".join(blocks) + "\n"


def by_version(merged: Merged) -> str:
    """What changed between releases of Celery, on each backend."""
    releases = merged.ordered_releases
    backends = sorted({name for columns in merged.releases.values() for name in columns})
    changes: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for backend in backends:
        changes.setdefault(tuple(map(tuple, _changes(merged, backend))), []).append(backend)
    blocks = [
        "# What changed between releases of Celery",
        f"Checks of the conformance kit that do not say the same on all of {', '.join(releases)}: {LEGEND} "
        f"What they say on the newest is [a page of its own]({BEHAVIOUR}).",
        _table(
            ["conform", *(f"Celery {release}" for release in releases)],
            [
                [_text(backend), *(_conforming(merged, release, backend) for release in releases)]
                for backend in backends
            ],
        ),
    ]
    for rows, names in changes.items():
        blocks.append(f"## {_text(', '.join(names))}")
        blocks.append(_table(["check", *releases], rows) if rows else "Nothing changed.")
    return "\n\n".join(blocks) + "\n"


def _changes(merged: Merged, backend: str) -> Iterator[list[str]]:
    """A line for each check that does not say the same on all releases that it ran on."""
    for check in (check for checks in merged.topics.values() for check in checks):
        answers = [_answer(merged, release, backend, check) for release in merged.ordered_releases]
        if len({answer.verdict for answer in answers if answer}) > 1:
            link = f"[{_text(check.sentence)}]({BEHAVIOUR}#{_anchor(check)})"
            yield [link, *(_sign(answer) for answer in answers)]


def _answer(merged: Merged, release: str, backend: str, check: Check) -> Answer | None:
    column = merged.releases[release].get(backend)
    return column.answers.get(check.name) if column else None


def _conforming(merged: Merged, release: str, backend: str) -> str:
    column = merged.releases[release].get(backend)
    if column is None:
        return "not run"
    return f"{_counts(column)[0]} of {len(column.answers)}, {_text(column.server)}"


def _counts(column: Column) -> list[str]:
    verdicts = [answer.verdict for answer in column.answers.values()]
    shown: tuple[Verdict, ...] = ("conform", "unsupported", "known gap", "failure")
    return [str(verdicts.count(verdict)) for verdict in shown]


def _topic(topic: str, checks: Sequence[Check], columns: dict[str, Column]) -> str:
    rows = [
        [
            _text(check.sentence),
            *(_cell(check, column.answers.get(check.name)) for column in columns.values()),
        ]
        for check in checks
    ]
    return f"## {_words(topic).capitalize()}\n\n{_table([_words(topic), *map(_text, columns)], rows)}"


def _cell(check: Check, answer: Answer | None) -> str:
    if answer is None or answer.verdict == "conform":
        return _sign(answer)
    return " ".join([f"[{SIGNS[answer.verdict]}](#{_anchor(check)})", *issues_in(answer.reason)])


def _sign(answer: Answer | None) -> str:
    return " ".join([SIGNS[answer.verdict], *issues_in(answer.reason)]) if answer else ""


def _said(topic: str, checks: Sequence[Check], columns: dict[str, Column]) -> str:
    lines = [f"### {_words(topic).capitalize()}, in full", ""]
    for check in checks:
        about = f'<a id="{_anchor(check)}"></a>**{_text(check.sentence)}** (`{check.name}`, {_text(check.capability)})'
        lines.append(f"- {about}: {with_links(check.rests_on.replace('``', '`'))}")
        lines += [f"  - {line}" for line in _reasons(check, columns)]
    return "\n".join(lines)


def _reasons(check: Check, columns: dict[str, Column]) -> Iterator[str]:
    """Why it does not conform, with the backends for which that is so."""
    alike: dict[Answer, list[str]] = {}
    for name, column in columns.items():
        answer = column.answers.get(check.name)
        if answer is not None and answer.verdict != "conform":
            alike.setdefault(answer, []).append(name)
    for answer, names in alike.items():
        reason = f": {with_links(_text(answer.reason))}" if answer.reason else ""
        yield f"{_text(', '.join(names))}: {answer.verdict}{reason}"


def _anchor(check: Check) -> str:
    owner, _, test = check.name.lower().partition("::")
    return f"{owner}-{test.removeprefix('test_').replace('_', '-')}"


def _words(topic: str) -> str:
    return topic.replace("_", " ")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows])
