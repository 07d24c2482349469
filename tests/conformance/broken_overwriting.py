"""Backends that do something else where a state is there already."""

from __future__ import annotations

from typing import Any

from breaking import breaks
from celery import states
from celery.backends.cache import CacheBackend


@breaks(
    "memory",
    "TestOverwriting::test_a_later_state_takes_the_place_of_an_earlier_one",
    "TestOverwriting::test_a_failure_may_become_a_success",
    "TestOverwriting::test_a_task_that_failed_and_is_sent_again_may_succeed",
)
class KeepsTheFirst(CacheBackend):
    """Never replaces what is there."""

    def set(self, key: Any, value: Any) -> Any:
        return None if self.get(key) is not None else super().set(key, value)


@breaks(
    "memory",
    "TestOverwriting::test_a_success_is_not_undone_by_a_start",
    "TestOverwriting::test_a_success_is_not_undone_by_a_failure",
    "TestOverwriting::test_a_success_is_not_undone_by_a_retry",
    "TestOverwriting::test_the_first_success_counts",
    "TestOverwriting::test_a_task_that_is_sent_again_changes_nothing",
)
class KeepsTheLast(CacheBackend):
    """Replaces whatever is there."""

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **kwargs: Any
    ) -> Any:
        meta = self._get_result_meta(result=result, state=state, traceback=traceback, request=request)
        self.set(self.get_key_for_task(task_id), self.encode({**meta, "task_id": task_id}))
        return result


@breaks("memory", "TestOverwriting::test_meta_is_replaced_and_not_merged")
class MergesMeta(CacheBackend):
    """Keeps of the meta before what the new one does not name."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        before = self._get_task_meta_for(task_id).get("result")
        if isinstance(before, dict) and isinstance(result, dict):
            result = {**before, **result}
        return super()._store_result(task_id, result, state, *args, **kwargs)


@breaks("memory", "TestOverwriting::test_a_short_result_leaves_nothing_of_a_long_one")
class NeverShrinks(CacheBackend):
    """Writes over what is there, and leaves what was longer."""

    def set(self, key: Any, value: Any) -> Any:
        before = self.get(key) or b""
        return super().set(key, value.encode() + b" " * max(0, len(before) - len(value)))


@breaks("memory", "TestOverwriting::test_no_traceback_outlives_its_failure")
class KeepsTracebacks(CacheBackend):
    """Gives a result the traceback of the one before."""

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        traceback = traceback or self._get_task_meta_for(task_id).get("traceback")
        return super()._store_result(task_id, result, state, traceback, *args, **kwargs)


@breaks("memory", "TestOverwriting::test_reading_changes_nothing_that_is_stored")
class ForgetsWhatWasRead(CacheBackend):
    """Gives each result once."""

    def _get_task_meta_for(self, task_id: str) -> Any:
        meta = super()._get_task_meta_for(task_id)
        if meta["status"] in states.READY_STATES:
            self.delete(self.get_key_for_task(task_id))
        return meta


@breaks("memory", "TestOverwriting::test_asking_for_an_unknown_id_stores_nothing")
class StoresWhatIsAskedFor(CacheBackend):
    """Notes that somebody asked."""

    def _get_task_meta_for(self, task_id: str) -> Any:
        meta = super()._get_task_meta_for(task_id)
        if meta["status"] == states.PENDING:
            self.set(self.get_key_for_task(task_id), self.encode({**meta, "result": None}))
        return meta
