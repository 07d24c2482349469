"""Backends that are wrong about what is forgotten, and about which id is whose."""

from __future__ import annotations

import re
from typing import Any

from breaking import breaks
from celery.backends.cache import CacheBackend


@breaks(
    "memory",
    "TestForgetting::test_a_forgotten_result_is_in_the_store_no_more",
    "TestForgetting::test_a_forgotten_failure_is_in_the_store_no_more",
    "TestForgetting::test_a_forgotten_result_is_pending_again",
    "TestForgetting::test_the_steps_before_in_a_chain_are_forgotten_too",
    "TestForgetting::test_a_forgotten_group_takes_its_members_with_it",
    "TestForgetting::test_a_forgotten_id_may_be_used_anew",
    "TestConcurrency::test_readers_of_what_is_being_forgotten_find_it_or_nothing",
)
class KeepsForgotten(CacheBackend):
    """Forgets nothing."""

    def _forget(self, task_id: str) -> None:
        pass


@breaks("memory", "TestForgetting::test_other_results_stay")
class ForgetsWhatBeginsAlike(CacheBackend):
    """Forgets every result whose id begins as the one that is meant."""

    def _forget(self, task_id: str) -> None:
        for key in list(self.client.cache):
            if key.startswith(self.get_key_for_task(task_id)):
                self.delete(key)


@breaks("memory", "TestForgetting::test_what_a_task_has_sent_is_not_forgotten_with_it")
class ForgetsChildren(CacheBackend):
    """Forgets with a task what it has sent."""

    def _forget(self, task_id: str) -> None:
        for (child, _), _ in self._get_task_meta_for(task_id).get("children") or ():
            super()._forget(child)
        super()._forget(task_id)


@breaks(
    "memory",
    "TestForgetting::test_a_result_that_was_never_stored_can_be_forgotten",
    "TestForgetting::test_a_result_can_be_forgotten_twice",
    "TestForgetting::test_a_group_can_be_deleted_twice",
)
class DeletesWhatIsThereAlone(CacheBackend):
    """Raises where there is nothing to delete."""

    def delete(self, key: Any) -> None:
        if self.get(key) is None:
            raise KeyError(key)
        super().delete(key)


@breaks("memory", "TestForgetting::test_a_deleted_group_is_gone_and_its_members_stay")
class KeepsDeletedGroups(CacheBackend):
    """Deletes no group."""

    def _delete_group(self, group_id: str) -> None:
        pass


@breaks(
    "memory",
    "TestIdentifiers::test_a_result_is_stored_under_the_id_that_was_given",
    "TestIdentifiers::test_an_id_may_be_as_long_as_a_database_column",
    "TestIdentifiers::test_ids_that_differ_in_their_last_character_are_two",
    "TestIdentifiers::test_an_id_that_begins_as_another_is_another",
    "TestIdentifiers::test_an_id_may_be_given_as_uuid",
)
class CutsIds(CacheBackend):
    """Keeps seven characters of an id."""

    def get_key_for_task(self, task_id: Any, key: Any = "") -> Any:
        return super().get_key_for_task(str(task_id)[:7], key)


@breaks("memory", "TestIdentifiers::test_an_id_may_have_punctuation")
class FlattensIds(CacheBackend):
    """Writes each mark in an id as a dash."""

    def get_key_for_task(self, task_id: Any, key: Any = "") -> Any:
        return super().get_key_for_task(re.sub(r"\W|_", "-", task_id), key)


@breaks("memory", "TestIdentifiers::test_capitals_and_small_letters_are_two_ids")
class LowersIds(CacheBackend):
    """Takes capitals for small letters."""

    def get_key_for_task(self, task_id: Any, key: Any = "") -> Any:
        return super().get_key_for_task(task_id.lower(), key)


@breaks(
    "memory",
    "TestIdentifiers::test_arguments_of_ten_thousand_bytes_are_stored_with_the_result",
)
class CutsAtFiveThousand(CacheBackend):
    """Keeps the first five thousand bytes, as a column does that is too narrow."""

    def encode(self, data: Any) -> Any:
        return super().encode(data)[:5000]


@breaks("memory", "TestIdentifiers::test_an_empty_value_is_a_result_too")
class DropsEmptyValues(CacheBackend):
    """Takes an empty value for none."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        if result or result is None:
            super()._store_result(task_id, result, state, *args, **kwargs)
        return result
