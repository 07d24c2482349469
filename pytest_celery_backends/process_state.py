"""What a worker changes for the whole process, and how it was before."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from celery import _state
from celery.worker import state

#: Celery's memory of revoked and counted tasks: containers that are emptied and filled again in place.
MEMORY: Final = ("revoked", "revoked_stamps", "successful_requests", "total_count", "requests")


@contextmanager
def preserved_process_state(join_guard: object) -> Iterator[None]:
    """Give this block a worker state of its own; ``get()`` inside a task is decided by *join_guard*.

    ``should_terminate`` stays set after one failed stop, and hangs every worker that starts later
    (https://github.com/celery/celery/issues/4088). A revoked task is remembered for three hours.
    """
    flags = (_state._task_join_will_block, state.should_stop, state.should_terminate)
    memory = {name: _copied(getattr(state, name)) for name in MEMORY if hasattr(state, name)}
    counted = list(state.all_total_count)
    if isinstance(flags[0], bool):  # else this is a block within another, whose memory it shares
        for name, outside in memory.items():
            if outside:
                getattr(state, name).clear()
        state.all_total_count[:] = [0]
    _state._set_task_join_will_block(join_guard)
    state.should_stop = state.should_terminate = None
    try:
        yield
    finally:
        _state._set_task_join_will_block(flags[0])
        state.should_stop, state.should_terminate = flags[1:]
        for name, before in memory.items():
            _refill(getattr(state, name), before)
        state.all_total_count[:] = counted


def _copied(container: Any) -> Any:
    # mostly they are empty, and Celery's own are slow to copy
    return copy.copy(container) if container else ()


def _refill(container: Any, before: Any) -> None:
    container.clear()
    if before:
        container.update(before)
