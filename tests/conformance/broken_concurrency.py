"""Backends that several threads upset, and backends that load what they should not."""

from __future__ import annotations

import importlib
import pickle
from typing import Any, ClassVar

from breaking import breaks
from celery import states
from celery.backends.cache import CacheBackend
from celery.backends.redis import RedisBackend
from kombu.exceptions import ContentDisallowed


@breaks("memory", "TestConcurrency::test_fifty_readers_read_the_same")
class GivesOnce(CacheBackend):
    """Gives each result to whoever asks first."""

    def get(self, key: Any) -> Any:
        return self.client.cache.pop(key, None)


@breaks("memory", "TestConcurrency::test_two_writers_of_one_result_leave_one_of_both")
class MixesWrites(CacheBackend):
    """Writes half of a result over what is there."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        there = self._get_task_meta_for(task_id)["result"]
        if isinstance(there, list):
            self.delete(self.get_key_for_task(task_id))
            result = [*there[:100], *result[100:]]
        return super()._store_result(task_id, result, state, *args, **kwargs)


@breaks(
    "memory",
    "TestConcurrency::test_twenty_writers_lose_no_result",
    "TestConcurrency::test_a_worker_of_four_threads_stores_each_result",
    "TestConcurrency::test_groups_that_are_saved_at_once_are_all_found",
    "TestIdentifiers::test_a_hundred_results_are_all_found",
)
class LosesHalf(CacheBackend):
    """Says of every second write that it was done, and does nothing."""

    def set(self, key: Any, value: Any) -> Any:
        return super().set(key, value) if sum(key) % 2 else None


@breaks(
    "memory",
    "TestContentSecurity::test_a_pickle_in_the_store_is_not_loaded",
    "TestContentSecurity::test_result_accept_content_decides_for_results",
)
class LoadsEveryPickle(CacheBackend):
    """Loads whatever looks like a pickle."""

    def decode(self, payload: Any) -> Any:
        return pickle.loads(payload) if payload[:1] == b"\x80" else super().decode(payload)


@breaks("memory", "TestContentSecurity::test_a_pickle_is_loaded_where_it_is_accepted")
class LoadsNoPickle(CacheBackend):
    """Loads no pickle, whatever the settings say."""

    def decode(self, payload: Any) -> Any:
        if payload[:1] == b"\x80":
            raise ContentDisallowed("no pickle")
        return super().decode(payload)


@breaks(
    "memory",
    "TestContentSecurity::test_a_function_in_place_of_an_exception_is_not_called",
    "TestContentSecurity::test_a_module_that_a_failure_names_is_not_imported",
)
class MakesAnyException(CacheBackend):
    """Imports what a failure names, and calls it."""

    def meta_from_decoded(self, meta: Any) -> Any:
        if meta["status"] != states.FAILURE:
            return super().meta_from_decoded(meta)
        named = meta["result"]
        found = getattr(importlib.import_module(named["exc_module"]), named["exc_type"], ValueError)
        return {**meta, "result": found(*named["exc_message"])}


@breaks("redis", "TestContentSecurity::test_the_password_is_in_no_uri_that_is_shown")
class ShowsPasswords(RedisBackend):
    """Shows the password with its address."""

    def as_uri(self, include_password: bool = False) -> Any:
        return super().as_uri(include_password=True)


@breaks(
    "memory",
    *(
        f"TestChords::test_{each}"
        for each in (
            "the_body_runs_once_all_header_tasks_are_done",
            "the_body_is_given_the_values_in_the_order_of_the_header",
            "the_body_of_a_single_task_is_given_a_list",
            "the_body_of_an_empty_header_is_given_an_empty_list",
            "a_header_of_a_hundred_tasks_loses_none",
            "a_group_in_the_header_counts_each_of_its_tasks",
            "a_chord_in_the_header_gives_the_value_of_its_body",
            "a_chain_in_the_header_gives_its_last_value",
            "a_task_may_follow_the_body",
            "one_chord_may_follow_another",
            "the_header_is_the_parent_of_the_body",
            "two_chords_at_a_time_do_not_mix",
        )
    ),
    *(
        f"TestChordErrors::test_{each}"
        for each in (
            "who_waits_for_the_body_is_told",
            "the_errback_of_the_body_is_called",
            "a_chord_that_failed_does_not_stop_the_next",
        )
    ),
    *(
        f"TestGroups::test_{each}"
        for each in (
            "values_come_in_the_order_of_the_tasks_and_not_of_their_ends",
            "a_hundred_tasks_lose_no_result",
            "it_is_not_ready_while_one_task_waits",
            "only_what_succeeded_counts_as_completed",
            "what_one_task_raised_is_raised",
            "what_one_task_raised_stands_in_its_place_where_it_may_not_be_raised",
            "waiting_for_all_gives_up_after_its_timeout",
            "a_group_within_a_group_gives_one_list",
            "what_a_task_returned_goes_to_each_task_of_a_group",
        )
    ),
    *(
        f"TestIdentifiers::test_{each}"
        for each in (
            "ids_that_differ_in_their_last_character_are_two",
            "an_id_that_begins_as_another_is_another",
            "capitals_and_small_letters_are_two_ids",
            "an_id_may_be_given_as_uuid",
            "arguments_of_ten_thousand_bytes_are_stored_with_the_result",
        )
    ),
    "TestConcurrency::test_fifty_readers_read_the_same",
    "TestResultSettings::test_result_extended_stores_name_and_arguments",
    "TestResultSettings::test_global_keyprefix_is_before_each_key",
)
class KeepsAllToItself(CacheBackend):
    """Stores nothing, and answers this process from what it remembers: only the store itself tells."""

    kept: ClassVar[dict[Any, Any]] = {}

    def get(self, key: Any) -> Any:
        return self.kept.get(key)

    def mget(self, keys: Any) -> Any:
        return {key: self.kept[key] for key in keys if key in self.kept}

    def set(self, key: Any, value: Any) -> Any:
        self.kept[key] = value

    def delete(self, key: Any) -> Any:
        self.kept.pop(key, None)
