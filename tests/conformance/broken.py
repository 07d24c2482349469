"""Backends that are wrong in one way each: every check of the kit fails on one of them at least.

Here are those whose states are wrong; those of other topics are in ``broken_<topic>.py`` beside this module, and are
found there.
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


@breaks(
    "memory",
    "TestStates::test_a_task_that_returned_is_successful",
    "TestTransitions::test_a_success_is_the_first_that_is_stored",
    "TestTransitions::test_one_record_holds_all_states_of_a_task",
    "TestTransitions::test_the_value_takes_the_place_of_meta",
    "TestMetadata::test_a_result_knows_its_id",
    "TestMetadata::test_each_step_of_a_chain_keeps_its_value",
    "TestOverwriting::test_reading_twice_gives_the_same",
    "TestWaits::test_get_gives_what_is_there",
    "TestWaits::test_get_calls_back_with_id_and_value",
    "TestWaits::test_many_results_are_waited_for_in_any_order",
    "TestWaits::test_many_threads_wait_for_one_result",
    "TestWaits::test_each_thread_gets_the_result_of_its_own_task",
    "TestWaits::test_a_result_is_read_in_another_thread_than_it_was_sent_in",
    "TestWaits::test_get_within_a_task_where_that_is_allowed",
)
class DropsSuccess(CacheBackend):
    """Says that it stored a success, and keeps what was there before."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state == states.SUCCESS:
            return result
        return super()._store_result(task_id, result, state, *args, **kwargs)


@breaks(
    "memory",
    "TestStates::test_a_task_that_raised_has_failed",
    "TestErrors::test_a_value_that_no_serializer_takes_fails_its_task",
    "TestWaits::test_get_is_refused_within_a_task",
)
class StoresFailuresAsSuccess(CacheBackend):
    """Says of every end that it was a good one."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        state = states.SUCCESS if state == states.FAILURE else state
        return super()._store_result(task_id, result, state, *args, **kwargs)


@breaks(
    "memory",
    "TestStates::test_a_task_that_runs_has_started",
    "TestTransitions::test_a_success_comes_after_its_start",
    "TestTransitions::test_a_failure_comes_after_its_start",
    "TestTransitions::test_a_retry_starts_again",
)
class DropsStarted(CacheBackend):
    """Says that it stored that a task has started, and does not."""

    def store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state == states.STARTED:
            return result
        return super().store_result(task_id, result, state, *args, **kwargs)


@breaks(
    "memory",
    "TestStates::test_a_task_that_will_be_tried_again_is_not_ready",
    "TestTransitions::test_each_retry_is_stored",
    "TestTransitions::test_a_task_that_is_retried_in_vain_fails",
    "TestTracebacks::test_a_retry_has_a_traceback",
)
class DropsRetries(CacheBackend):
    """Says that it stored that a task will be tried again, and does not."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state == states.RETRY:
            return result
        return super()._store_result(task_id, result, state, *args, **kwargs)


@breaks(
    "memory",
    "TestStates::test_a_state_of_ones_own_is_stored",
    "TestStates::test_a_state_of_ones_own_may_have_any_name",
    "TestStates::test_a_state_that_is_stored_by_hand_is_read",
    "TestTransitions::test_states_of_ones_own_come_in_their_order",
)
class KnowsCelerysStatesOnly(CacheBackend):
    """Keeps the states that Celery has a name for."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state not in states.ALL_STATES:
            return result
        return super()._store_result(task_id, result, state, *args, **kwargs)


@breaks(
    "memory",
    "TestStates::test_a_task_that_runs_says_where",
    "TestStates::test_a_task_that_will_be_tried_again_says_why",
)
class LosesMeta(CacheBackend):
    """Keeps nothing beside a state that is not final."""

    def encode_result(self, result: Any, state: str) -> Any:
        return super().encode_result(result, state) if state in states.READY_STATES else None


@breaks(
    "memory",
    "TestStates::test_an_id_that_was_never_sent_is_pending",
    "TestStates::test_a_task_that_waits_stores_nothing",
    "TestStates::test_a_task_that_is_ignored_stores_nothing",
)
class TakesTheUnknownForStarted(CacheBackend):
    """Says of ids that it does not know that their tasks run."""

    def _get_task_meta_for(self, task_id: str) -> Any:
        meta = super()._get_task_meta_for(task_id)
        return {**meta, "status": states.STARTED} if meta["status"] == states.PENDING else meta


@breaks(
    "memory",
    "TestStates::test_a_result_that_nobody_wants_is_not_stored",
    "TestStates::test_an_error_is_stored_even_if_ignored_where_that_is_asked",
)
class StoresWhatNobodyWants(CacheBackend):
    """Stores a success whether somebody wants it or not."""

    def mark_as_done(self, task_id: str, result: Any, *args: Any, **kwargs: Any) -> Any:
        return self.store_result(task_id, result, states.SUCCESS)


@breaks("memory", "TestStates::test_tasks_do_not_share_their_states")
class HasOneKeyForAll(CacheBackend):
    """Stores all results in one place."""

    def get_key_for_task(self, task_id: str, key: Any = "") -> Any:
        return super().get_key_for_task("all", key)


@breaks(
    "memory",
    "TestTransitions::test_a_task_that_is_revoked_before_its_turn_never_runs",
    "TestTransitions::test_a_task_that_comes_too_late_is_revoked",
)
class DropsRevoked(CacheBackend):
    """Says that it stored a revocation, and does not."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if state == states.REVOKED:
            return result
        return super()._store_result(task_id, result, state, *args, **kwargs)
