"""What the store holds, read out of band: never through the code under test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery import Celery, states
from celery.result import AsyncResult, ResultSet

from .. import ResultBackend, StoredResult
from .limits import LIMIT, until


def stored_by(app: Celery) -> str:
    """The id of a result that an app has stored."""
    app.backend.store_result("conformance-stored", "stored", states.SUCCESS)
    return "conformance-stored"


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


def kept_states(result_backend: ResultBackend, results: Iterable[AsyncResult]) -> list[str]:
    """The last state of each of several results: as stored, or as sent where a message goes once it was read."""
    if not result_backend.supports("reread"):
        return [result_backend.timeline(each).states[-1] for each in results]
    held = {each.task_id: each.state for each in result_backend.stored()}
    return [held.get(each.id, "") for each in results]


def comes_to(result_backend: ResultBackend, result: AsyncResult | ResultSet, value: Any) -> None:
    """Assert what a task or a group comes to: what who waits is given, and that the store holds it as a success."""
    assert result.get(timeout=LIMIT) == value
    results = result.results if isinstance(result, ResultSet) else [result]
    assert kept_states(result_backend, results) == [states.SUCCESS] * len(results)
