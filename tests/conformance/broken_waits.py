"""Backends for which nobody waits as long as it takes."""

from __future__ import annotations

from typing import Any

from breaking import breaks
from celery import states
from celery.backends.cache import CacheBackend
from celery.backends.rpc import RPCBackend


@breaks(
    "memory",
    "TestWaits::test_get_gives_up_in_time",
    "TestWaits::test_get_of_an_id_that_nobody_sent_gives_up_as_well",
    "TestWaits::test_get_waits_until_the_task_has_ended",
    "TestWaits::test_one_that_gives_up_does_not_end_the_wait_of_another",
    "TestWaits::test_who_gave_up_may_wait_again",
)
class CannotWait(CacheBackend):
    """Says of what it does not know that it has succeeded."""

    def _get_task_meta_for(self, task_id: str) -> Any:
        meta = super()._get_task_meta_for(task_id)
        return {**meta, "status": states.SUCCESS} if meta["status"] == states.PENDING else meta


@breaks("memory", "TestWaits::test_a_state_that_is_not_final_ends_no_wait")
class TakesProgressForTheEnd(CacheBackend):
    """Says of a state that Celery does not know that it is a good end."""

    def _get_task_meta_for(self, task_id: str) -> Any:
        meta = super()._get_task_meta_for(task_id)
        return meta if meta["status"] in states.ALL_STATES else {**meta, "status": states.SUCCESS}


@breaks("rpc-memory", "TestWaits::test_get_tells_each_state_as_it_comes")
class TellsTheEndOnly(RPCBackend):
    """Sends no state but the last."""

    def store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state not in states.READY_STATES:
            return result
        return super().store_result(task_id, result, state, *args, **kwargs)
