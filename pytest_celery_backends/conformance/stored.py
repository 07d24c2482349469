"""What the store holds, read out of band: never through the code under test."""

from __future__ import annotations

from celery.result import AsyncResult

from .. import ResultBackend, StoredResult
from .limits import until


def records_of(result_backend: ResultBackend, result: AsyncResult | str) -> list[StoredResult]:
    """Everything stored for one task; where results are messages, one for each state that nobody took yet."""
    task_id = result if isinstance(result, str) else result.id
    return [each for each in result_backend.stored() if each.task_id == task_id]


def states_of(result_backend: ResultBackend, result: AsyncResult | str) -> list[str]:
    """The states that are stored for one task: of most backends one at most, the last."""
    return [each.state for each in records_of(result_backend, result)]


def last_state_of(result_backend: ResultBackend, result: AsyncResult | str) -> str:
    """The state that is stored for a task, empty where none is."""
    return (states_of(result_backend, result) or [""])[-1]


def until_stored(result_backend: ResultBackend, result: AsyncResult | str, state: str) -> None:
    """Wait until the store holds a state for a task."""
    until(lambda: last_state_of(result_backend, result) == state, f"{state} in the store")
