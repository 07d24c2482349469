"""The bundle of files that a failed test leaves behind, once it has told what it has to tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from .failures import app_of, repeat_command
from .stash import FAILURES, LEASE, RUN

if TYPE_CHECKING:
    from .evidence import Captured
    from .recorder import Recorder
    from .timeline import Observation

#: The attribute of a test report that says what became of the test's bundle.
BUNDLE: Final = "celery_backend_bundle"
#: What a script calls for an event on a task's timeline; one that raised raises there as well.
_CALLS: Final = {"read": "read", "forgotten": "forget", "not forgotten": "forget"}


def write_bundles(item: pytest.Item, report: pytest.TestReport) -> None:
    """Write a failed test's bundle into each directory that the option names; what prevents it is told at the end.

    A test that fails and then fails to be torn down has one bundle, with both.
    """
    directories = [
        each for each in item.config.stash[RUN].options["celery_backends_report"] if each.endswith("/")
    ]
    if not report.failed or not directories or LEASE not in item.stash:
        return
    item.stash.setdefault(FAILURES, {})[str(report.when)] = report.longreprtext
    try:
        written = _written(item, report, directories)
    except Exception as error:  # it is about a failure, and must not take its place or end the run
        written = [f"no bundle of {item.nodeid}: {type(error).__name__}: {error}"]
    setattr(report, BUNDLE, written)


def _written(item: pytest.Item, report: pytest.TestReport, directories: list[str]) -> list[str]:
    from .reporting.bundle import write_bundle

    files = _files(item, report, item.stash[LEASE])
    return [f"wrote {write_bundle(Path(each), item.nodeid, files)}" for each in directories]


def _files(item: pytest.Item, report: pytest.TestReport, lease: Any) -> dict[str, str]:
    from .evidence import environment
    from .reporting.bundle import readme

    app = app_of(item)
    failures: dict[str, str] = item.stash[FAILURES]
    script, no_script = _script(lease, app)
    files = {
        f"{title.removeprefix('Captured ').replace(' ', '-')}.txt": text
        for title, text in report.sections
        if text
    }
    about = readme(item.nodeid, failures, str(lease.service), repeat_command(item, lease), no_script)
    return {
        **files,
        "README.md": about,
        "environment.txt": environment(lease, app),
        **({"reproduce.py": script} if script else {}),
    }


def _script(lease: Any, app: Captured) -> tuple[str, str]:
    """A script without this plugin, or why there is none."""
    from celery import __version__

    from .capabilities import Capability
    from .reporting.literals import NotWritable
    from .reporting.script import script
    from .reporting.servers import start_of

    verdict = lease.spec.verdict(Capability.REREAD)
    if not verdict:
        return "", verdict.reason
    steps = _steps(lease.recorder, is_extended=bool(app.settings.get("result_extended")))
    if not any(name == "store" for name, _ in steps):
        return "", "the test stored nothing"
    try:
        return script(__version__, start_of(lease.spec, lease.service, app.url), app.settings, steps), ""
    except NotWritable as error:
        return "", f"{error} has no form in source code"


def _steps(recorder: Recorder, *, is_extended: bool) -> list[tuple[str, dict[str, Any]]]:
    """What a script does, in order: stores, what was to be forgotten, and what was read after each of them.

    A script reads after each store anyway, so that of several reads in a row one is taken.
    """
    found: list[tuple[float, str, dict[str, Any]]] = [
        (call.moment, call.name, {"group_id": call.group_id, "members": call.members})
        for call in recorder.group_calls
    ]
    for timeline in recorder.timelines():
        found += [(seen.moment, "store", _stored(seen, is_extended)) for seen in timeline]
        began = timeline[0].moment - timeline[0].at if timeline else 0.0
        for event in timeline.events if timeline else ():
            if event.kind in _CALLS:
                found.append((began + event.at, _CALLS[event.kind], {"task_id": timeline.task_id}))
    steps = [(name, given) for _, name, given in sorted(found, key=lambda each: each[0])]
    return [
        step
        for step, before in zip(steps, [None, *steps], strict=False)
        if step[0] not in ("read", "restore_group") or step != before
    ]


def _stored(seen: Observation, is_extended: bool) -> dict[str, Any]:
    from .stored_requests import written_fields

    request = None if seen.request is None else written_fields(seen.request, is_extended=is_extended)
    return {
        **{"task_id": seen.task_id, "value": seen.value, "state": seen.state},
        **{"traceback": seen.traceback, "request": request},
    }
