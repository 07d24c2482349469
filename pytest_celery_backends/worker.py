"""Celery's own WorkController in a thread of this process, with a loop that never sleeps.

Messages, strategies, requests, tracing, acknowledgements, retries, ETA, revokes, remote control and
signals are Celery's. Replaced are the blocking loop, the timer's sleep, the pools and the handshake at
start and stop, which is where a stock worker in a thread loses its seconds.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from celery.exceptions import WorkerShutdown, WorkerTerminate
from celery.worker import WorkController
from celery.worker.consumer.control import Control

from . import syntax_trees
from .consumer import STOP_LIMIT, InProcessConsumer, WakingTimer
from .errors import WorkerFailed
from .hosts import Host
from .limits import Limit
from .pools import Ledger, SoloPool, ThreadsPool
from .remote_control import RemoteControl

Pool = Literal["solo", "threads"]

START_LIMIT = 10.0


class JoinGuard:
    """Celery's flag that forbids ``get()`` inside a task, true in the threads that run tasks only.

    The flag is one global of the process, read for its truth by ``celery.result`` and by the redis and
    rpc backends. As True it would refuse the test's own ``get()``; as False it would let through what
    production refuses.
    """

    def __init__(self) -> None:
        self._thread = threading.local()

    def __bool__(self) -> bool:
        return getattr(self._thread, "runs_tasks", False)

    def enter(self) -> None:
        """This thread runs tasks from now on."""
        self._thread.runs_tasks = True


class InProcessWorker(WorkController):  # type: ignore[misc]
    """A worker of one app, in a daemon thread. The app must be wired when it is started."""

    stop_requested = False

    def __init__(self, app: Any, *, pool: Pool, concurrency: int, guard: JoinGuard, host: Host) -> None:
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._guard = guard
        self.thread = threading.Thread(target=self._run, daemon=True, name="celery-worker")
        self._host = host
        self._added: set[str] = set()
        self._control = RemoteControl(host)
        self.ledger = Ledger(on_change=host.wake, on_thread=self._enter_task_thread)
        kind = {"solo": SoloPool, "threads": ThreadsPool}[pool]
        super().__init__(
            app=app,
            # making a pool sets the process's flag to the pool's answer
            pool=type(kind.__name__, (kind,), {"ledger": self.ledger, "task_join_will_block": guard}),
            concurrency=concurrency,
            consumer_cls=InProcessConsumer,
            timer_cls=WakingTimer,
            hostname=f"celery@pytest-{id(self):x}",
            loglevel="WARNING",
            use_eventloop=False,
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
        )

    def on_consumer_ready(self, consumer: Any) -> None:
        self.timer.call_soon = consumer.call_soon
        for step in consumer.blueprint.order:
            if isinstance(step, Control):
                self._control.watch(step.box.node)
        self._ready.set()

    def stop(self, in_sighandler: bool = False, exitcode: Any = None) -> None:
        # Celery logs what ends a worker and stops it; here somebody asks
        self._failure = self._failure or sys.exc_info()[1]
        super().stop(in_sighandler, exitcode)

    def _enter_task_thread(self) -> None:
        self._guard.enter()
        # a thread without a current app falls back on the default one, which a test may change
        self.app.set_current()

    def _run(self) -> None:
        try:
            self.start()
        except BaseException as failure:
            self._failure = failure
        finally:
            self._ready.set()
            self._host.wake()

    def launch(self) -> None:
        """Start the thread and wait until it consumes; raises WorkerFailed."""
        syntax_trees.make_one_at_a_time()
        self.thread.start()
        started = self._ready.wait(START_LIMIT)
        if not started or self._failure is not None or not self.is_alive:
            why = repr(self._failure) if started else f"not ready within {START_LIMIT:g} s"
            raise WorkerFailed(
                f"the in-process worker did not start: {why}", remedy="pytest -x --log-level=DEBUG"
            )

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs; a worker ends by itself when it is told to by remote control."""
        return self.thread.is_alive()

    @property
    def cause_of_death(self) -> BaseException | None:
        """What ended it, where nobody has told it to end."""
        told = isinstance(self._failure, (WorkerShutdown, WorkerTerminate))
        return None if self.is_alive or told else self._failure

    @property
    def has_work(self) -> bool:
        """Whether a task runs or waits in a queue; those with ETA or countdown do not count."""
        if self.is_busy or any(map(self._host.size, self._consumed)):
            return True
        # what has left its queue may not be a task yet: it is once the thread that took it has time to answer
        return not (self._has_received_all and self.ask(lambda: None)) or self.is_busy

    def consume_from(self, queue: Any) -> None:
        """Consume from this queue as well; called before a task is published to it."""
        consumer = self.consumer
        if consumer is None or consumer.task_consumer is None:
            return
        if queue.name not in self._added and not consumer.task_consumer.consuming_from(queue):
            self._added.add(queue.name)
            consumer.call_soon(self._add_queue, queue)

    def _add_queue(self, queue: Any) -> None:
        task_consumer = self.consumer.task_consumer
        if not task_consumer.consuming_from(queue):
            task_consumer.add_queue(queue)
            task_consumer.consume()

    @property
    def is_busy(self) -> bool:
        """Whether a task is running or waiting for a thread."""
        return self.ledger.accepted > 0

    @property
    def is_pristine(self) -> bool:
        """Whether it is as good as new: alive, nothing to do, and nobody has changed its ways, or is about to."""
        is_unchanged = not self._control.changes_worker
        return self.is_alive and self.is_idle and len(self.timer) == 0 and is_unchanged

    def shutdown(self, limit: float = STOP_LIMIT) -> None:
        """Stop and wait at most *limit* seconds; raises WorkerFailed, naming the task that hangs."""
        self.stop_requested = True
        deadline = time.monotonic() + limit
        if self.consumer is not None:
            self.consumer.wake()
        self.thread.join(limit)
        self.wait_until(lambda: not self.is_busy, deadline - time.monotonic())
        if self.thread.is_alive() or self.is_busy:
            raise self._hanging(limit)

    def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait at most *timeout* seconds; *condition* is looked at whenever queues or tasks change."""
        limit = Limit(timeout)
        while True:
            seen = self._host.changes
            if condition():
                return True
            if limit.is_over:
                return False
            self._host.wait(seen, limit.left)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits in the queues and no task runs."""
        if self.is_busy or self.waiting_messages:
            return False
        return self._has_received_all and not self.is_busy

    @property
    def waiting_messages(self) -> list[str]:
        """The queue of each task message that is not acknowledged, ETA and rate limit included."""
        return self._host.unfinished(self._consumed)

    @property
    def _consumed(self) -> set[str]:
        """The names of the queues that it consumes from."""
        task_consumer = self.consumer.task_consumer if self.consumer else None
        queues = task_consumer.queues if task_consumer else ()
        return {queue.name for queue in queues} | self._added

    @property
    def _has_received_all(self) -> bool:
        """Whether no message is on its way from the broker."""
        task_consumer = self.consumer.task_consumer if self.consumer else None
        return task_consumer is None or self._host.receives_all(task_consumer.channel, self.ask)

    def ask(self, question: Callable[[], Any]) -> bool:
        """Let its own thread do something with the connection; whether that could, or has ended, without a task."""
        answers: list[bool] = []

        def answer() -> None:
            try:
                question()
            finally:  # a connection that fails is Celery's to see to
                answers.append(True)
                self._host.wake()

        if self.is_alive:
            self.consumer.call_soon(answer)
        self.wait_until(lambda: bool(answers) or self.is_busy or not self.is_alive, STOP_LIMIT)
        return (bool(answers) or not self.is_alive) and not self.is_busy

    def _hanging(self, limit: float) -> WorkerFailed:
        hanging = list(self.ledger.running.values())
        return WorkerFailed(
            f"the in-process worker did not stop within {limit:g} s",
            tried=[f"still running: {run}" for run in hanging] or ["no task is running in it"],
            remedy="result_worker.drain(timeout=60)  # at the end of the test",
            log="\n".join(run.stack() for run in hanging),
        )

    def give_up(self) -> None:
        """Let go of tasks that hang: where one comes back to Python code, it is ended there."""
        self.ledger.give_up()
