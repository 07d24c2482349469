"""Backends that several threads upset, and backends that load what they should not."""

from __future__ import annotations

import importlib
import pickle
from typing import Any

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
