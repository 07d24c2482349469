"""Backends that make another value of the one that they are given."""

from __future__ import annotations

import json
import sys
from typing import Any

from breaking import breaks
from celery import states
from celery.backends.cache import CacheBackend
from celery.backends.database import DatabaseBackend
from celery.backends.filesystem import FilesystemBackend


class _Changes(CacheBackend):
    """Stores what ``changed`` makes of a value."""

    def changed(self, value: Any) -> Any:
        raise NotImplementedError

    def encode_result(self, result: Any, state: str) -> Any:
        encoded = super().encode_result(result, state)
        return self.changed(encoded) if state == states.SUCCESS else encoded


@breaks(
    "memory",
    "TestPayloads::test_a_tuple_comes_back_as_a_list",
    "TestPayloads::test_nothing_comes_back_as_nothing",
    "TestPayloads::test_truth_values_are_no_numbers",
    "TestPayloads::test_whole_numbers_come_back",
    "TestSerializers::test_json_carries_bytes",
    "TestSerializers::test_json_carries_exact_numbers_and_ids",
    "TestSerializers::test_json_carries_moments",
    "TestSerializers::test_msgpack_carries_bytes_and_text",
    "TestSerializers::test_pickle_carries_exceptions_as_values",
    "TestSerializers::test_pickle_keeps_instances",
    "TestSerializers::test_pickle_keeps_types",
    "TestSerializers::test_yaml_carries_what_json_does",
)
class StoresText(_Changes):
    """Stores how a value is printed."""

    def changed(self, value: Any) -> Any:
        return repr(value)


@breaks(
    "memory",
    "TestPayloads::test_an_empty_list_is_a_value",
    "TestPayloads::test_an_empty_text_is_a_value",
    "TestPayloads::test_false_is_a_value",
    "TestPayloads::test_zero_is_a_value",
)
class TakesFalseForNothing(_Changes):
    """Stores None for what is not true."""

    def changed(self, value: Any) -> Any:
        return value or None


@breaks("memory", "TestPayloads::test_fractions_come_back_exactly")
class Rounds(_Changes):
    """Keeps twelve digits of a fraction."""

    def changed(self, value: Any) -> Any:
        return [float(f"{each:.12g}") for each in value]


@breaks(
    "memory",
    "TestPayloads::test_control_characters_come_back",
    "TestPayloads::test_text_comes_back_in_any_script",
)
class KeepsPrintableAscii(_Changes):
    """Keeps of a text what a typewriter has."""

    def changed(self, value: Any) -> Any:
        return "".join(each for each in value if " " <= each <= "~")


@breaks(
    "memory",
    "TestPayloads::test_text_that_looks_like_json_stays_text",
    "TestPayloads::test_a_value_that_looks_like_a_result_stays_a_value",
)
class KnowsBetter(_Changes):
    """Reads what looks like JSON, and takes out what looks like a result."""

    def changed(self, value: Any) -> Any:
        if isinstance(value, list):
            return [json.loads(each) if each.startswith("{") else each for each in value]
        return value["result"]


@breaks("memory", "TestPayloads::test_nested_values_come_back")
class IsShallow(_Changes):
    """Stores three levels of a value."""

    def changed(self, value: Any, depth: int = 3) -> Any:
        if not depth:
            return None
        if isinstance(value, dict):
            return {key: self.changed(each, depth - 1) for key, each in value.items()}
        return [self.changed(each, depth - 1) for each in value] if isinstance(value, list) else value


@breaks("memory", "TestPayloads::test_an_object_of_many_keys_keeps_their_order")
class Sorts(_Changes):
    """Sorts the keys of an object."""

    def changed(self, value: Any) -> Any:
        return dict(sorted(value.items()))


@breaks(
    "memory",
    "TestPayloads::test_a_hundred_thousand_bytes_of_text_come_back",
    "TestPayloads::test_thirty_thousand_numbers_come_back",
)
class CutsShort(_Changes):
    """Keeps the first thousand of many."""

    def changed(self, value: Any) -> Any:
        return value[:1000]


@breaks("memory", "TestSerializers::test_pickle_keeps_meta_of_a_state")
class StoresMetaAsText(CacheBackend):
    """Stores how meta is printed."""

    def encode_result(self, result: Any, state: str) -> Any:
        encoded = super().encode_result(result, state)
        return encoded if state in states.READY_STATES else repr(encoded)


@breaks("memory", "TestSerializers::test_the_serializer_decides_what_is_stored")
class AlwaysJson(CacheBackend):
    """Takes no notice of ``result_serializer``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "serializer": "json"})


@breaks("filesystem", "TestSerializers::test_a_compressed_result_comes_back")
class NeverCompresses(FilesystemBackend):
    """Takes no notice of ``result_compression``."""

    def prepare_compression(self, compression: Any) -> None:
        return None


@breaks(
    "sqlite",
    "TestSerializers::test_another_process_reads_the_same_failure",
    "TestSerializers::test_another_process_reads_the_same_value",
)
class LiesToOthers(DatabaseBackend):
    """Tells every process but the one that runs the tests another value."""

    def _get_task_meta_for(self, task_id: str) -> Any:
        meta = super()._get_task_meta_for(task_id)
        return meta if "pytest" in sys.modules else {**meta, "result": None, "traceback": None}
