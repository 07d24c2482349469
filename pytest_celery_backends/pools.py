"""Where the in-process worker runs tasks: in its own thread (solo) or in a few daemon threads.

They trace as a worker process does, and differ from Celery's own solo and threads pools in four things: a
task that raises a BaseException does not take the worker down unseen, time limits that a thread cannot
keep are noted instead of ignored, threads are daemons (the interpreter joins those of the standard
library's executor before it exits), and what runs can be asked for.
"""

from __future__ import annotations

import ctypes
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from billiard.einfo import ExceptionInfo
from billiard.exceptions import WorkerLostError
from celery import signals
from celery.app.trace import fast_trace_task, trace_task_ret
from celery.concurrency.base import BasePool
from celery.exceptions import Reject
from kombu.serialization import prepare_accept_content

from .thread_stacks import stack_of

#: How many calls of a running task are shown; those above are the worker's.
STACK_DEPTH: Final = 6


@dataclass(frozen=True, kw_only=True)
class Running:
    """A task that is running right now; ``since`` is a monotonic time in seconds."""

    name: str
    task_id: str
    thread: int
    since: float

    def __str__(self) -> str:
        return f"{self.name}[{self.task_id}] for {time.monotonic() - self.since:.1f} s"

    def stack(self) -> str:
        """Where it is: the innermost calls of its thread."""
        return f"{self}\n{stack_of(self.thread, STACK_DEPTH)}"


@dataclass(frozen=True, kw_only=True)
class LostTask:
    """A task that raised what would have ended a worker process."""

    name: str
    task_id: str
    raised: str

    def __str__(self) -> str:
        return f"task {self.name}[{self.task_id}] raised {self.raised}"


@dataclass
class Ledger:
    """What a worker's pool did and does: shared by its threads, read by the test."""

    on_change: Callable[[], None]
    on_thread: Callable[[], None]
    running: dict[str, Running] = field(default_factory=dict)
    accepted: int = 0
    lost: list[LostTask] = field(default_factory=list)
    unsupported: list[str] = field(default_factory=list)
    is_given_up: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self) -> None:
        """Note that a task waits for its thread."""
        with self._lock:
            self.accepted += 1
        self.on_change()

    def settle(self) -> None:
        """Note that an accepted task is done with."""
        with self._lock:
            self.accepted -= 1
        self.on_change()

    def begin(self, name: str, task_id: str) -> Running:
        """Note that a task starts in this thread."""
        run = Running(name=name, task_id=task_id, thread=threading.get_ident(), since=time.monotonic())
        self.running[task_id] = run
        return run

    def give_up(self) -> None:
        """End the tasks that run, as soon as their threads come back to Python."""
        self.is_given_up = True
        for run in list(self.running.values()):
            raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
            raise_in(ctypes.c_ulong(run.thread), ctypes.py_object(Abandoned))

    def end(self, run: Running, soft_limit: float | None, hard_limit: float | None) -> None:
        """Note that it ended, and whether it outlived a limit that a thread cannot keep."""
        took = time.monotonic() - run.since
        self.running.pop(run.task_id, None)
        for limit, setting in ((soft_limit, "soft_time_limit"), (hard_limit, "time_limit")):
            if limit and took > limit:
                self.unsupported.append(
                    f"{setting}={limit:g} of task {run.name} (it ran for {took:.1f} s): "
                    "a thread cannot be interrupted"
                )


class Abandoned(BaseException):
    """Ends a task whose test is over: by now its app is what it is in production again."""


def run_task(
    ledger: Ledger,
    target: Callable[..., Any],
    args: tuple[Any, ...],
    callback: Callable[..., Any],
    accept_callback: Callable[..., Any],
    error_callback: Callable[..., Any],
    limits: tuple[float | None, float | None],
) -> None:
    """Run one traced task as a pool does: say that it was accepted, run it, hand over the outcome."""
    run = ledger.begin(str(args[0]), str(args[1]))
    try:
        accept_callback(os.getpid(), time.monotonic())
        callback(target(*args))
    except Reject:
        error_callback(ExceptionInfo())
    except BaseException as raised:
        if ledger.is_given_up:
            return
        # prefork's parent sees a lost child here and marks the task as failed with this very error
        ledger.lost.append(LostTask(name=run.name, task_id=run.task_id, raised=repr(raised)))
        try:
            raise WorkerLostError(repr(raised)) from None
        except WorkerLostError:
            error_callback(ExceptionInfo())
    finally:
        ledger.end(run, *limits)


class _Pool(BasePool):  # type: ignore[misc]
    """What both pools share; ``ledger`` is set on a subclass made for one worker."""

    ledger: Ledger
    body_can_be_buffer = True
    signal_safe = False

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: Any = None,
        callback: Any = None,
        accept_callback: Any = None,
        error_callback: Any = None,
        soft_timeout: float | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> Any:
        self.ledger.accept()
        traced = self._as_a_process_traces(target)

        def job() -> None:
            try:
                limits = (soft_timeout, timeout)
                run_task(self.ledger, traced, args, callback, accept_callback, error_callback, limits)
            finally:
                self.ledger.settle()

        return self.submit(job)

    def _as_a_process_traces(self, target: Callable[..., Any]) -> Callable[..., Any]:
        """Trace as ``setup_worker_optimizations`` has it, without its globals: a request names its worker."""
        if target is not trace_task_ret:
            return target
        app, hostname = self.options["initargs"]
        accept = prepare_accept_content(app.conf.accept_content)
        return partial(fast_trace_task, _loc=[app.tasks, accept, hostname])

    def submit(self, job: Callable[[], None]) -> Any:
        raise NotImplementedError

    def terminate_job(self, pid: int, signal: Any = None) -> None:
        """A thread cannot be killed: note it (``revoke(terminate=True)`` of a running task)."""
        running = ", ".join(map(str, self.ledger.running.values()))
        self.ledger.unsupported.append(f"revoke(terminate=True) of {running}: a thread cannot be killed")

    def _get_info(self) -> dict[str, Any]:
        return {**super()._get_info(), "max-concurrency": self.limit, "processes": [os.getpid()]}


class SoloPool(_Pool):
    """Runs each task in the worker's own thread, one after the other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limit = 1
        # Celery's solo pool sends this too; applications open their connections there
        signals.worker_process_init.send(sender=(self.options.get("initargs") or (None, None))[1])

    def on_start(self) -> None:
        self.ledger.on_thread()

    def submit(self, job: Callable[[], None]) -> None:
        job()


class ThreadsPool(_Pool):
    """Runs up to ``worker_concurrency`` tasks at a time, in daemon threads that start on demand."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._jobs: queue.SimpleQueue[tuple[Future[None], Callable[[], None]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, job: Callable[[], None]) -> Future[None]:
        future: Future[None] = Future()
        self._jobs.put((future, job))
        if len(self._threads) < min(self.limit, self.ledger.accepted):
            name = f"celery-task-{len(self._threads)}"
            thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def _run(self) -> None:
        self.ledger.on_thread()
        while (item := self._jobs.get()) is not None:
            future, job = item
            if future.set_running_or_notify_cancel():
                try:
                    job()
                except BaseException as failure:
                    future.set_exception(failure)
                    self.ledger.lost.append(LostTask(name="<pool>", task_id="?", raised=repr(failure)))
                else:
                    future.set_result(None)

    def on_stop(self) -> None:
        for _ in self._threads:
            self._jobs.put(None)
