"""Backends that take no notice of ``result_*`` settings."""

from __future__ import annotations

from typing import Any

from breaking import breaks
from celery.backends.cache import CacheBackend
from celery.backends.database import DatabaseBackend
from celery.backends.filesystem import FilesystemBackend
from celery.backends.redis import RedisBackend
from celery.backends.rpc import RPCBackend
from kombu import Exchange


@breaks("memory", "TestResultSettings::test_result_backend_leads_another_app_to_the_same_results")
class KeepsAppsApart(CacheBackend):
    """Has a place of its own for each app."""

    def get_key_for_task(self, task_id: Any, key: Any = "") -> Any:
        return super().get_key_for_task(task_id, f"-{id(self.app)}")


@breaks("memory", "TestResultSettings::test_result_serializer_decides_what_becomes_of_a_value")
class MakesListsOfTuples(CacheBackend):
    """Stores as JSON has it."""

    def encode_result(self, result: Any, state: str) -> Any:
        encoded = super().encode_result(result, state)
        return list(encoded) if isinstance(encoded, tuple) else encoded


@breaks(
    "filesystem",
    "TestResultSettings::test_result_compression_compresses_what_is_stored",
    "TestResultSettings::test_what_was_compressed_is_read_where_result_compression_is_not_set",
)
class StoresAsItIs(FilesystemBackend):
    """Takes no notice of ``result_compression``."""

    def prepare_compression(self, compression: Any) -> None:
        return None


@breaks("memory", "TestResultSettings::test_result_extended_stores_name_and_arguments")
class KnowsNoArguments(CacheBackend):
    """Stores nothing of the request."""

    def _store_result(self, *args: Any, **kwargs: Any) -> Any:
        return super()._store_result(*args, **{**kwargs, "request": None})


@breaks("memory", "TestResultSettings::test_without_result_extended_no_argument_is_stored")
class AlwaysTellsTheName(CacheBackend):
    """Stores the name of the task, whatever the settings say."""

    def _get_result_meta(self, *args: Any, **kwargs: Any) -> Any:
        return {**super()._get_result_meta(*args, **kwargs), "name": "told"}


@breaks("memory", "TestResultSettings::test_without_result_extended_no_argument_is_stored")
class KeepsRequests(CacheBackend):
    """Stores the arguments of each task, where no reader looks for them."""

    def _get_result_meta(self, result: Any, state: str, traceback: Any, request: Any, **kwargs: Any) -> Any:
        meta = super()._get_result_meta(result, state, traceback, request, **kwargs)
        return {**meta, "kept": getattr(request, "kwargs", None)}


class Forgetful(dict[Any, Any]):
    """A cache that keeps nothing."""

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


@breaks("memory", "TestResultSettings::test_result_cache_max_keeps_the_last_results_in_the_client")
class CachesNothing(CacheBackend):
    """Asks each time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._cache = Forgetful()


@breaks("memory", "TestResultSettings::test_without_result_cache_max_each_reading_asks_the_store")
class CachesEverything(CacheBackend):
    """Asks once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._cache: dict[Any, Any] = {}


@breaks("rpc-memory", "TestResultSettings::test_result_exchange_and_its_type_change_nothing")
class SendsToTheExchange(RPCBackend):
    """Sends results where ``result_exchange`` says, which nobody listens to."""

    def store_result(self, *args: Any, **kwargs: Any) -> Any:
        self.exchange = Exchange(self.app.conf.result_exchange)
        return super().store_result(*args, **kwargs)


@breaks("rpc-memory", "TestResultSettings::test_result_persistent_lets_messages_outlive_the_broker")
class SendsTransient(RPCBackend):
    """Has no message kept."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.delivery_mode = 1


@breaks("rpc-memory", "TestResultSettings::test_without_result_persistent_messages_are_transient")
class SendsPersistent(RPCBackend):
    """Has every message kept."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.delivery_mode = 2


@breaks("memory", "TestResultSettings::test_global_keyprefix_is_before_each_key")
class PutsNothingBeforeKeys(CacheBackend):
    """Takes no notice of ``global_keyprefix``."""

    def _add_global_keyprefix(self) -> None:
        pass


@breaks(
    "memory",
    "TestResultSettings::test_result_failure_expires_is_how_long_failures_stay_on_redis_and_warns_elsewhere",
)
class SaysNothingOfFailures(CacheBackend):
    """Keeps failures as it likes, and does not say so."""

    supports_failure_expires = True


@breaks("memory", "TestResultSettings::test_result_backend_thread_safe_shares_one_backend_between_threads")
class IsSharedByThreads(CacheBackend):
    """Is one for all threads, whatever the settings say."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.thread_safe = True


@breaks("redis", "TestChordSettings::test_result_chord_ordered_may_be_turned_off")
class OrdersEveryChord(RedisBackend):
    """Keeps the order of a header, whatever the settings say."""

    _chord_zset = True


@breaks("redis", "TestChordSettings::test_result_chord_expires_is_how_long_a_chord_keeps_what_it_counts_with")
class KeepsChordsAsResults(RedisBackend):
    """Keeps what it counts with as long as results."""

    @property
    def chord_expires(self) -> Any:
        return self.expires


@breaks("sqlite", "TestChordSettings::test_result_chord_retry_interval_is_how_long_a_polled_chord_waits")
class AsksAsOftenAsItLikes(DatabaseBackend):
    """Looks for the results of a chord at its own interval."""

    def fallback_chord_unlock(
        self, header_result: Any, body: Any, countdown: float = 1, **kwargs: Any
    ) -> Any:
        return super().fallback_chord_unlock(header_result, body, countdown, **{**kwargs, "interval": 0.05})


@breaks(
    "memory",
    "TestChordSettings::test_result_chord_join_timeout_is_how_long_a_counted_chord_looks_for_results",
)
class LooksAsLongAsItLikes(CacheBackend):
    """Waits three seconds for the results of a header."""

    def on_chord_part_return(self, *args: Any, **kwargs: Any) -> Any:
        self.app.conf.result_chord_join_timeout = 3
        return super().on_chord_part_return(*args, **kwargs)
