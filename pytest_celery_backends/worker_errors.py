"""What is told of tasks that would have ended a worker process, and of a worker that ended."""

from __future__ import annotations

from .errors import WorkerFailed
from .worker import InProcessWorker


def worker_error(worker: InProcessWorker) -> WorkerFailed | None:
    """The error for a worker that died, or for tasks that raised what ends a worker process; given once."""
    if cause := worker.cause_of_death:
        return WorkerFailed(
            f"the in-process worker ended while the test ran: {cause!r}",
            remedy="pytest -x --log-level=DEBUG",
        )
    lost = worker.ledger.lost
    if not lost:
        return None
    told = [str(task) for task in lost]
    lost.clear()
    return WorkerFailed(
        "a task raised what ends a worker process in production",
        tried=[*told, "it was stored as FAILURE with WorkerLostError; the worker goes on"],
        remedy="result_worker.lost.clear()  # in the test, where it is meant to happen",
    )
