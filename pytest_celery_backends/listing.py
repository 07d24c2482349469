"""``--celery-backends-list``: every backend, what it needs, and whether it can start here."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Final, TextIO

from .registry import ABSENT, Registry
from .run import Run
from .selection import Choice
from .spec import BackendSpec
from .survey import Finding, survey

GAP: Final = "  "
#: Text is not squeezed into less, however narrow the terminal is.
SMALLEST_ROOM: Final = 24

_Group = tuple[str, Callable[[Finding], bool]]


def _is_unverified(finding: Finding) -> bool:
    return finding.spec is not None and bool(finding.spec.not_verified)


GROUPS: Final[Sequence[_Group]] = (
    ("work here", lambda finding: bool(finding.here) and not _is_unverified(finding)),
    ("miss something", lambda finding: not finding.here and not _is_unverified(finding)),
    ("not verified: no test of ours ever ran on them", _is_unverified),
)


def print_list(run: Run, out: TextIO) -> None:
    """Print what can be had here, as wide as the terminal is, and in whole lines where there is none.

    Raises BadOption for names that no backend has.
    """
    run.check_names()
    findings = survey(run.options, run.registry, _choices(run))
    width = shutil.get_terminal_size().columns if out.isatty() else None
    absent = {} if run.options["celery_backends"] else ABSENT
    for line in [*render(findings, width), *_render_absent(absent, width)]:
        print(line, file=out)


def _choices(run: Run) -> list[Choice]:
    registry: Registry = run.registry
    wanted = run.options["celery_backends"]
    if wanted:
        return [Choice(name=text.partition(":")[0], version=text.partition(":")[2]) for text in wanted]
    return [Choice(name=name) for name in sorted(registry.names)]


def render(findings: Sequence[Finding], width: int | None = None) -> list[str]:
    """The lines of the list, grouped by whether a backend works here.

    Arguments:
        findings: one for each backend.
        width: columns of the terminal; None lets each backend have one line, however long.

    >>> from pytest_celery_backends.registry import Registry
    >>> spec = Registry().get("memory")
    >>> for line in render([Finding(name="memory", spec=spec, here="Celery memory cache 5.7.0 (embedded)")]):
    ...     print(line[:65].rstrip())
    1 works here
      memory  cache+memory://  Celery memory cache 5.7.0 (embedded)
    """
    names = max((len(finding.name) for finding in findings), default=0)
    schemes = max((len(_scheme(finding.spec)) for finding in findings), default=0)
    lines: list[str] = []
    for title, belongs in GROUPS:
        group = [finding for finding in findings if belongs(finding)]
        if group:
            lines += ["", _title(title, len(group))]
            for finding in group:
                start = f"{GAP}{finding.name:{names}}{GAP}{_scheme(finding.spec):{schemes}}{GAP}"
                lines += _entry(start, list(_facts(finding)), width)
    return lines[1:]


def _render_absent(absent: Mapping[str, str], width: int | None) -> Iterator[str]:
    if absent:
        yield from ("", f"{len(absent)} cannot be had at all")
    names = max(map(len, absent), default=0)
    for name, why in absent.items():
        yield from _entry(f"{GAP}{name:{names}}{GAP}", [why], width)


def _title(title: str, count: int) -> str:
    """
    >>> _title("work here", 1), _title("miss something", 2)
    ('1 works here', '2 miss something')
    """
    verb, _, rest = title.partition(" ")
    if count == 1 and verb in ("work", "miss"):
        verb = {"work": "works", "miss": "misses"}[verb]
    return f"{count} {verb} {rest}".replace("on them", "on it" if count == 1 else "on them")


def _scheme(spec: BackendSpec | None) -> str:
    return f"{spec.scheme}://" if spec and spec.scheme else "-"


def _facts(finding: Finding) -> Iterator[str]:
    """What is to be said, each in a line of its own where one line is not enough for all."""
    yield from [finding.here] if finding.here else finding.missing
    if finding.remedy:
        yield f"type: {finding.remedy}"
    if finding.spec is None:
        return
    if finding.spec.not_verified:
        yield f"not verified: {finding.spec.not_verified}"
    limits = [capability.label for capability, verdict in finding.spec.limits.items() if not verdict]
    if limits:
        yield f"without: {', '.join(limits)}"


def _entry(start: str, facts: Sequence[str], width: int | None) -> list[str]:
    """One line, or as many as it takes: first those facts that fit beside the name, then below each other."""
    whole = start + GAP.join(facts)
    if width is None or len(whole) <= width:
        return [whole.rstrip()]
    indent = len(start) if width - len(start) >= SMALLEST_ROOM else len(GAP) * 2
    room = max(width - indent, SMALLEST_ROOM)
    parts = [
        part for fact in facts for part in wrap(fact, room, subsequent_indent=GAP, break_on_hyphens=False)
    ]
    below = [" " * indent + part for part in parts]
    return [start + parts[0], *below[1:]] if indent == len(start) else [start.rstrip(), *below]
