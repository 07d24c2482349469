"""The in-process worker of one test, as tests see it."""

from __future__ import annotations

from typing import Any

from . import activity
from .assertions.subject import known_task_id, still_given
from .errors import WaitTimeout
from .lease import Lease
from .polling import wait_until
from .pools import LostTask
from .timeline import DEFAULT_TIMEOUT, Timeline


class ResultWorker:
    """The in-process worker of one test. Given by the ``result_worker`` fixture."""

    def __init__(self, lease: Lease) -> None:
        self._given = lease
        self._turn = lease.turn

    @property
    def _lease(self) -> Lease:
        return still_given(self._given, self._turn, "result_worker")

    def task(self, *args: Any, **options: Any) -> Any:
        """Register a task for the length of the test; used like ``app.task``, with the same options."""
        return self._lease.app.task(*args, **{"shared": False, **options})

    def drain(self, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Wait until every task is done, those with ETA or countdown and retries included.

        Raises WaitTimeout after *timeout* seconds, telling what still runs and waits.
        """
        worker = self._lease.start_worker()
        if worker.wait_until(lambda: worker.is_idle, timeout):
            return
        under_way = self._lease.recorder.unfinished()
        raise WaitTimeout(
            f"the worker was not idle within {timeout:g} s",
            tried=[*activity.described(worker), *(f"observed: {each.task_id}: {each}" for each in under_way)],
            remedy=f"result_worker.drain(timeout={timeout * 2:g})",
            log=activity.stacks(worker),
        )

    def wait_until_received(self, result: Any, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Wait until the worker has taken a task from its queue, to run it now or once its time has come.

        A task with a countdown can be revoked, or its result be asked for, from then on as in production.

        Arguments:
            result: an AsyncResult, or the id of a task of this test.
            timeout: seconds.

        Raises:
            WaitTimeout: it did not within *timeout* seconds; tells what it does instead.
        """
        lease, task_id = self._lease, known_task_id(result, self._lease)
        worker, recorder = lease.start_worker(), lease.recorder
        if wait_until(lambda: _is_received(recorder.seen(task_id)), timeout):
            return
        raise WaitTimeout(
            f"the worker had not received task {task_id[:8]} within {timeout:g} s",
            tried=[*activity.described(worker), f"observed: {recorder.seen(task_id)}"],
            remedy=f"result_worker.wait_until_received(result, timeout={timeout * 2:g})",
            log=activity.stacks(worker),
        )

    @property
    def lost(self) -> list[LostTask]:
        """Tasks that raised SystemExit or the like, and fail the test unless they are cleared from here."""
        return self._lease.start_worker().ledger.lost

    @property
    def hostname(self) -> str:
        """The worker's node name, as remote control knows it."""
        return str(self._lease.start_worker().hostname)

    @property
    def logs(self) -> str:
        """What Celery logged in this test so far, from INFO on."""
        return self._lease.log.text

    def __repr__(self) -> str:
        return f"<ResultWorker of {self._given.spec.name}>"


def _is_received(timeline: Timeline) -> bool:
    return any(event.kind == "received" for event in timeline.events)
