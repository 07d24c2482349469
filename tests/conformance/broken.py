"""Backends that are wrong in one way each: every check of the kit fails on one of them at least.

Those of a topic that has many are in ``broken_<topic>.py`` beside this module, and are found there.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from breaking import breaks
from celery import states
from celery.backends.cache import CacheBackend

for _file in sorted(Path(__file__).parent.glob("broken_*.py")):
    importlib.import_module(_file.stem)


@breaks("memory", "TestStates::test_a_task_that_returned_is_successful")
class DropsSuccess(CacheBackend):
    """Says that it stored a success, and keeps what was there before."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state == states.SUCCESS:
            return result
        return super()._store_result(task_id, result, state, *args, **kwargs)


@breaks("memory", "TestStates::test_a_task_that_raised_has_failed")
class StoresFailuresAsSuccess(CacheBackend):
    """Says of every end that it was a good one."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        state = states.SUCCESS if state == states.FAILURE else state
        return super()._store_result(task_id, result, state, *args, **kwargs)


@breaks("memory", "TestStates::test_started_is_stored_where_it_is_tracked")
class DropsStarted(CacheBackend):
    """Says that it stored that a task has started, and does not."""

    def store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state == states.STARTED:
            return result
        return super().store_result(task_id, result, state, *args, **kwargs)


@breaks(
    "memory",
    "TestStates::test_an_id_that_was_never_sent_is_pending",
    "TestStates::test_a_task_that_waits_stores_nothing",
)
class TakesTheUnknownForStarted(CacheBackend):
    """Says of ids that it does not know that their tasks run."""

    def _get_task_meta_for(self, task_id: str) -> Any:
        meta = super()._get_task_meta_for(task_id)
        return {**meta, "status": states.STARTED} if meta["status"] == states.PENDING else meta
