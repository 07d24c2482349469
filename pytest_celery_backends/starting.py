"""Services start ahead of the first test, several at a time; where that takes long the terminal says so."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from .activation import choice_of
from .garbage import no_garbage_collected
from .stash import RUN

if TYPE_CHECKING:
    from .pool import ServicePool
    from .run import Run
    from .selection import Choice
    from .store import SharedPool

#: How long nothing is said, and how often what is said is renewed, in seconds.
PATIENCE: Final = 1.0
RENEWAL: Final = 0.25
#: The same where lines cannot be written over.
PLAIN_RENEWAL: Final = 10.0


class Progress:
    """One line about what is on its way up.

    Arguments:
        terminal: where it is shown, if anywhere.
        is_amid: whether the terminal may be in the middle of another line.
    """

    def __init__(self, terminal: pytest.TerminalReporter | None, *, is_amid: bool = False) -> None:
        self._terminal = terminal
        self._is_amid = is_amid
        self._started = time.monotonic()
        self._said = ""
        self._said_at = 0.0

    def show(self, starting: Sequence[str]) -> None:
        """Write or renew the line, once it took long enough."""
        took = time.monotonic() - self._started
        if self._terminal is None or took < PATIENCE:
            return
        names = ", ".join(starting)
        line = f"celery backends: starting {names} ... {took:.0f} s"
        if self._is_renewable:
            if self._is_amid and not self._said:
                self._terminal.write_line("")
            self._terminal.rewrite(_fitting(line, self._terminal._tw.fullwidth), erase=True)
        elif (
            names != self._said and took >= self._said_at + PATIENCE
        ) or took >= self._said_at + PLAIN_RENEWAL:
            self._terminal.write_line(line)
        else:
            return
        self._said, self._said_at = names, took

    def end(self) -> None:
        """Say how long it took, where anything was said."""
        if self._terminal is None or not self._said:
            return
        line = f"celery backends: started after {time.monotonic() - self._started:.1f} s"
        if self._is_renewable:
            self._terminal.rewrite(line, erase=True)
            self._terminal.write_line("")
        else:
            self._terminal.write_line(line)

    @property
    def _is_renewable(self) -> bool:
        return self._terminal is not None and bool(self._terminal.isatty)


def _fitting(line: str, width: int) -> str:
    """A line that does not wrap: what wraps cannot be written over.

    >>> _fitting("starting redis ... 3 s", 16)
    'starting... 3 s'
    """
    if len(line) < width:
        return line
    end = line[line.rindex("...") :]
    return f"{line[: max(0, width - len(end) - 1)]}{end}"


def wait_showing(pool: ServicePool | SharedPool, config: pytest.Config, *, is_amid: bool = False) -> None:
    """Wait until what was begun is there or has failed, and show it."""
    progress = Progress(config.pluginmanager.getplugin("terminalreporter"), is_amid=is_amid)
    while not pool.wait(RENEWAL):
        progress.show(pool.progress)
    progress.end()


def needed(session: pytest.Session) -> list[Choice]:
    """The backends that selected tests will surely use, in their order.

    What a test that may be skipped needs is started when it is used.
    """
    if not is_real_run(session):
        return []
    run = session.config.stash[RUN]
    items = (item for item in session.items if _will_run(item, run))
    return list(dict.fromkeys(choice for item in items if (choice := choice_of(item))))


def _will_run(item: pytest.Item, run: Run) -> bool:
    choice = choice_of(item)
    if choice is None or _may_be_skipped(item):
        return False
    from .outcomes import missing_capability

    return missing_capability(item, run.spec(choice)) is None


def _may_be_skipped(item: pytest.Item) -> bool:
    """Whether a mark may skip it: a condition that is False already does not, a text is for pytest to evaluate."""
    conditions = [
        condition
        for mark in item.iter_markers("skipif")
        for condition in mark.args or (mark.kwargs.get("condition", True),)
    ]
    return item.get_closest_marker("skip") is not None or any(each is not False for each in conditions)


def planned(run: Run, items: Sequence[pytest.Item]) -> list[str]:
    """How each backend of these tests would be had, a line for each; starts nothing."""
    choices = list(dict.fromkeys(choice for item in items if (choice := choice_of(item))))
    with ThreadPoolExecutor(max_workers=8) as threads:  # each asks programs and engines, and waits
        list(threads.map(run.plan, choices))
    return [f"celery backend {choice}: {run.plan(choice)}" for choice in choices]


def is_real_run(session: pytest.Session) -> bool:
    """Whether tests are about to run: not where they are only shown, or collecting failed."""
    options = session.config.option
    shown = ("collectonly", "setupplan", "showfixtures", "show_fixtures_per_test")
    if any(getattr(options, name, False) for name in shown):
        return False
    return not session.testsfailed or options.continue_on_collection_errors


def begin(session: pytest.Session) -> None:
    """Start what is needed, each in a thread."""
    run = session.config.stash[RUN]
    for choice in needed(session):
        run.pool.begin(run.spec(choice), choice.version)


def load(run: Run, choices: Sequence[Choice]) -> None:
    """Import what the first tests need: it is no part of their own time.

    A process of xdist does it while its controller starts the servers. Where they start in this process, it comes
    after that: two threads that import one package at the same time may get half of it, as of boto3.
    """
    expected = [choice for choice in choices if run.plan(choice).error is None]
    if expected:
        with (
            no_garbage_collected()
        ):  # modules are none, and looking through them takes as long as importing some
            from . import result_backend, result_worker  # noqa: F401
            from .leases import load_backend

            for choice in expected:
                load_backend(run.spec(choice))
