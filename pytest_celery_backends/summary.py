"""What a run says at its end: the table of tests and backends, the report files, what was left running."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .bundles import BUNDLE
from .stash import RUN

if TYPE_CHECKING:
    from .reporting.matrix import Matrix

#: The attribute of a test report that carries one outcome as a plain dictionary.
ATTRIBUTE = "celery_backend"


class Summary:
    """Collects the outcomes of a run where its terminal is; not registered in xdist's workers."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._outcomes: list[tuple[str, dict[str, object]]] = []
        self._order: dict[str, int] = {}
        self._bundles: list[str] = []
        self._unwritten: list[str] = []

    @property
    def _report_files(self) -> list[str]:
        given: list[str] = self._config.stash[RUN].options["celery_backends_report"]
        return [file for file in given if not file.endswith("/") and file not in self._unwritten]

    def matrix(self) -> Matrix:
        """The outcomes so far."""
        from .reporting.matrix import Outcome, matrix_of

        in_order = sorted(self._outcomes, key=lambda each: self._order.get(each[0], -1))
        return matrix_of(Outcome(**outcome) for _, outcome in in_order)  # type: ignore[arg-type]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Remember the order of the tests: xdist's processes report as they please."""
        self._order = self._order or {nodeid: number for number, nodeid in enumerate(ids)}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = getattr(report, ATTRIBUTE, None)
        if outcome:
            self._outcomes.append((report.nodeid, outcome))
        self._bundles += getattr(report, BUNDLE, ())

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        outcome = getattr(report, ATTRIBUTE, None)
        if outcome and outcome["cell"] == "unsupported" and report.skipped:
            return "unsupported", "u", "UNSUPPORTED"
        return None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        for file in self._report_files if self._outcomes else ():  # also where there is no terminal
            try:
                write_report(Path(file), self.matrix())
            except OSError as error:
                self._unwritten.append(file)
                self._config.stash[RUN].said_at_end.append(f"could not write {file}: {error.strerror}")
        if self._unwritten and session.exitstatus == pytest.ExitCode.OK:
            # who asked for a file goes on with it: its absence must not look like success
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        kept = self._config.stash[RUN].kept
        while kept:
            terminalreporter.write_line(f"celery backends: left running: {kept.pop(0)}")
        if not self._outcomes:
            return
        from .reporting import conformance

        matrix = self.matrix()
        if len(matrix.backends) > 1:
            self._write_table(terminalreporter, matrix)
        else:  # no table, but what it ran on is told, and nothing that did not run goes unexplained
            for line in (f"{name} ran on {server}" for name, server in matrix.servers.items() if server):
                terminalreporter.write_line(f"celery backends: {line}")
            for note in matrix.notes:
                terminalreporter.write_line(f"celery backends: {note}")
        for line in conformance.summary(matrix):
            terminalreporter.write_line(line)
        for line in dict.fromkeys([*(f"wrote {file}" for file in self._report_files), *self._bundles]):
            terminalreporter.write_line(f"celery backends: {line}")

    def _write_table(self, terminal: pytest.TerminalReporter, matrix: Matrix) -> None:
        from .reporting.terminal import render

        writer = terminal._tw
        terminal.write_sep("=", "celery result backends")
        verbose = self._config.get_verbosity() > 0
        for line in render(matrix, writer.fullwidth, color=writer.hasmarkup, verbose=verbose):
            terminal.write_line(line)


def write_report(file: Path, matrix: Matrix) -> None:
    """Write the matrix to a file, in the form that its suffix names: .json, .md or .html."""
    from .reporting import html, json, markdown

    render = {".json": json.render, ".md": markdown.render, ".html": html.render}[file.suffix]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(render(matrix), encoding="utf-8")
