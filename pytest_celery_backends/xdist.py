"""Beside pytest-xdist: the controller alone starts and stops servers, and its processes ask it for them."""

from __future__ import annotations

import atexit
import gc
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import pytest

from .stash import RUN

if TYPE_CHECKING:
    from .run import Run
    from .store import Address

#: What the controller gives each process, and what that gives back at its end.
ADDRESS: Final = "celery_backends_store"
SAID: Final = "celery_backends_said"


def is_worker(config: pytest.Config) -> bool:
    """Whether this process runs tests for a controller, and has no terminal."""
    return hasattr(config, "workerinput")


def is_controller(config: pytest.Config) -> bool:
    """Whether this process has others run the tests."""
    is_distributed = config.getoption("dist", "no") != "no" and config.getoption("tx", None)
    return bool(is_distributed) and not is_worker(config) and not config.getoption("collectonly")


def shared_by(config: pytest.Config) -> tuple[Address, str] | None:
    """Where the controller has the servers, None where there is none, or on another machine."""
    given: dict[str, Any] = getattr(config, "workerinput", {})
    return (given[ADDRESS], given["workerid"]) if ADDRESS in given else None


def register(config: pytest.Config) -> None:
    """Add the hooks that this process needs, if any."""
    if is_controller(config):
        config.pluginmanager.register(Controller(config), "celery-backends-controller")
    elif is_worker(config):
        config.pluginmanager.register(Worker(), "celery-backends-worker")


class Worker:
    """The hooks of a process that runs tests."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell the controller what is needed, before it hears what was collected."""
        from . import starting

        if ADDRESS not in session.config.workerinput:  # type: ignore[attr-defined]
            return
        run = session.config.stash[RUN]
        lines = starting.planned(run, session.items)
        if lines:
            run.pool.announce(lines)  # type: ignore[union-attr]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Give the controller what only it can print; fixtures have ended by now."""
        run = session.config.stash[RUN]
        close(run, session)
        session.config.workeroutput[SAID] = (run.kept[:], run.said_at_end)  # type: ignore[attr-defined]
        run.kept.clear()
        gc.collect()  # finds what a test did not close
        look_for_no_more_garbage()


class Controller:
    """The hooks of the process that has the servers."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._has_announced = False
        self._at_work: set[str] = set()
        self._closing: Future[None] | None = None
        self._aside = ThreadPoolExecutor(1)

    @property
    def _run(self) -> Run:
        return self._config.stash[RUN]

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        self._at_work.add(node.gateway.id)
        if node.gateway.spec.popen and self._is_sharing():
            node.workerinput[ADDRESS] = self._run.store.address

    def _is_sharing(self) -> bool:
        """Whether there is a place for the socket; without one each process is on its own.

        It is no error here: nobody knows yet whether any test is ours.
        """
        from .errors import BackendsError

        try:
            return bool(self._run.store.address)
        except (BackendsError, OSError):
            return False

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_xdist_node_collection_finished(self, node: Any) -> None:
        """No test is handed out before the servers are up: that is no part of a test's own time."""
        gc.freeze()  # no test runs here
        lines = self._run.store.announced if self._is_sharing() else []
        if not lines:
            return
        from .starting import wait_showing

        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if terminal is not None and not self._has_announced:
            for line in ["", *lines] if terminal.isatty else lines:
                terminal.write_line(line)
        wait_showing(self._run.pool, self._config, is_amid=self._has_announced)
        self._has_announced = True

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A process has ended, or crashed: stop what it had for itself."""
        kept, said = getattr(node, "workeroutput", {}).get(SAID, ((), ()))
        self._run.kept += kept
        self._run.said_at_end += said
        if self._is_sharing() and not self._run.options["celery_backends_keep"]:
            self._run.store.release(node.gateway.id)
        if SAID in getattr(node, "workeroutput", {}):  # a crashed one is replaced
            self._at_work.discard(node.gateway.id)
        if not self._at_work:  # servers stop while the processes end
            self._closing = self._aside.submit(self._run.close)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Stop everything once the processes have ended, and before the summary is written."""
        close(self._run, session, closing=self._closing)
        look_for_no_more_garbage()  # no test ran here


def look_for_no_more_garbage() -> None:
    """Leave alone all that was ever imported.

    At its end pytest looks five times through that, and Python once more; with Celery that takes longer than a
    hundred tests, and whoever waits for this process waits for it.
    """
    gc.freeze()
    atexit.register(gc.freeze)


def close(run: Run, session: pytest.Session, *, closing: Future[None] | None = None) -> None:
    """Close a run where no fixture can fail any more: an error ends the session as a failed test does."""
    from .errors import BackendsError

    try:
        if closing is not None:
            closing.result()
        run.close()
    except BackendsError as error:
        run.said_at_end.append(str(error))
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
