"""What a worker is doing at this moment, for errors that tell why a wait was in vain."""

from __future__ import annotations

from .worker import InProcessWorker


def described(worker: InProcessWorker | None) -> list[str]:
    """A line for each task that runs, and one for the queues of what is not done; countdowns included."""
    if worker is None:
        return ["no worker runs"]
    running = [f"running: {run}" for run in list(worker.ledger.running.values())]
    waiting = worker.waiting_messages
    return [*running, *([f"not done in queues: {', '.join(waiting)}"] if waiting else [])]


def stacks(worker: InProcessWorker | None) -> str:
    """Where each task that runs is in its code."""
    if worker is None:
        return ""
    return "\n".join(run.stack() for run in list(worker.ledger.running.values()))
