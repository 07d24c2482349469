"""Backends that are wrong about groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from breaking import breaks
from celery import states
from celery.backends.cache import CacheBackend


@breaks(
    "memory",
    "TestGroups::test_values_come_in_the_order_of_the_tasks_and_not_of_their_ends",
    "TestGroups::test_a_hundred_tasks_lose_no_result",
    "TestGroups::test_a_group_within_a_group_gives_one_list",
    "TestGroups::test_what_a_task_returned_goes_to_each_task_of_a_group",
    "TestChords::test_the_body_is_given_the_values_in_the_order_of_the_header",
)
class MixesUpMembers(CacheBackend):
    """Gives each member of a group the result of another."""

    def get_many(self, task_ids: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        found = sorted(super().get_many(task_ids, *args, **kwargs), key=lambda pair: str(pair[1]["result"]))
        metas = [meta for _, meta in found]
        yield from zip([task_id for task_id, _ in found], [*metas[1:], *metas[:1]], strict=True)


@breaks(
    "memory",
    "TestGroups::test_it_is_complete_in_the_store",
    "TestChordErrors::test_the_other_tasks_of_the_header_keep_their_results",
)
class LosesMembers(CacheBackend):
    """Removes what a task of a group has returned as soon as it is stored."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        super()._store_result(task_id, result, state, *args, **kwargs)
        if state == states.SUCCESS and getattr(kwargs.get("request"), "group", None):
            self.delete(self.get_key_for_task(task_id))


@breaks(
    "memory",
    "TestGroups::test_it_is_not_ready_while_one_task_waits",
    "TestGroups::test_waiting_for_all_gives_up_after_its_timeout",
)
class TakesTheUnknownForDone(CacheBackend):
    """Says of ids that it does not know that their tasks have succeeded."""

    def get(self, key: Any) -> Any:
        return super().get(key) or self.encode({"status": states.SUCCESS, "result": None})

    def mget(self, keys: Any) -> Any:
        return {key: self.get(key) for key in keys}


@breaks(
    "memory",
    "TestGroups::test_only_what_succeeded_counts_as_completed",
    "TestGroups::test_what_one_task_raised_is_raised",
    "TestGroups::test_what_one_task_raised_stands_in_its_place_where_it_may_not_be_raised",
    "TestChordErrors::test_who_waits_for_the_body_is_told",
)
class TakesFailuresForSuccess(CacheBackend):
    """Says of every end that it was a good one."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        state = states.SUCCESS if state == states.FAILURE else state
        return super()._store_result(task_id, result, state, *args, **kwargs)


@breaks("memory", "TestGroups::test_results_that_are_there_are_read_at_once")
class ReadsOneByOne(CacheBackend):
    """Asks for one result after the other."""

    def mget(self, keys: Any) -> Any:
        found = {key: self.get(key) for key in keys}
        return {key: value for key, value in found.items() if value is not None}


@breaks("memory", "TestGroups::test_a_saved_group_is_one_record_in_the_store")
class SavesNoGroup(CacheBackend):
    """Says that it saved a group, and does not."""

    def _save_group(self, group_id: str, result: Any) -> Any:
        return result


@breaks("memory", "TestGroups::test_a_saved_group_comes_back_with_its_members_in_order")
class TurnsGroupsRound(CacheBackend):
    """Restores the members of a group from the last to the first."""

    def _restore_group(self, group_id: str) -> Any:
        meta = super()._restore_group(group_id)
        if meta:
            meta["result"].results.reverse()
        return meta


@breaks("memory", "TestGroups::test_saving_a_group_stores_no_result_of_a_member")
class StoresMembersWithTheirGroup(CacheBackend):
    """Stores a state of each member when a group is saved."""

    def _save_group(self, group_id: str, result: Any) -> Any:
        for each in result:
            self.store_result(each.id, None, states.RECEIVED)
        return super()._save_group(group_id, result)


@breaks("memory", "TestGroups::test_a_group_that_was_never_saved_is_none")
class RestoresAnything(CacheBackend):
    """Makes up a group where it knows of none."""

    def _restore_group(self, group_id: str) -> Any:
        return super()._restore_group(group_id) or {"result": self.app.GroupResult(group_id, [])}
