"""What other serializers than JSON, and the types that kombu teaches JSON, carry to the reader."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any, Final

import pytest
from celery import states

from .. import YES, ResultBackend, check, except_on
from .families import ALWAYS_PICKLE, DATABASES, UNTRACED
from .limits import LIMIT
from .payloads import comes_back
from .stored import records_of, until_stored
from .tasks import CheckTasks

PICKLE: Final = {"result_serializer": "pickle", "accept_content": ["json", "pickle"]}
YAML: Final = {"result_serializer": "yaml", "accept_content": ["json", "yaml"]}
MSGPACK: Final = {"result_serializer": "msgpack", "accept_content": ["json", "msgpack"]}


class Parcel:
    """A value of an application."""

    def __init__(self, weight: int) -> None:
        self.weight = weight

    def __repr__(self) -> str:
        return f"Parcel({self.weight})"


class TestSerializers:
    """userguide/calling, Serializers: https://docs.celeryq.dev/en/stable/userguide/calling.html#serializers."""

    @check("core")
    def test_json_carries_moments(self, result_backend: ResultBackend, check_tasks: CheckTasks) -> None:
        """userguide/calling, Serializers: kombu's JSON has datetime, date and time."""
        moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=datetime.timezone.utc)
        found = self._sent(result_backend, check_tasks, {"at": moment, "on": datetime.date(2026, 1, 2)})
        assert found["at"] == moment
        assert found["at"].utcoffset() == datetime.timedelta(0)
        assert datetime.date(2026, 1, 2) == (
            found["on"].date() if hasattr(found["on"], "date") else found["on"]
        )

    @check("core")
    def test_json_carries_exact_numbers_and_ids(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/calling, Serializers: kombu's JSON has Decimal and UUID."""
        value = [decimal.Decimal("0.10"), uuid.UUID("12345678-1234-5678-1234-567812345678")]
        comes_back(result_backend, check_tasks, value)

    @check("core")
    def test_json_carries_bytes(self, result_backend: ResultBackend, check_tasks: CheckTasks) -> None:
        """kombu.serialization: bytes are carried as base64 where they are no text."""
        comes_back(result_backend, check_tasks, b"\x00\xff\x80 bytes")

    @except_on("django-cache", verdict=YES)
    @except_on(*DATABASES, verdict=YES, until=(5, 7))
    @check("serializers")
    @pytest.mark.celery(**PICKLE)
    def test_pickle_keeps_types(self, result_backend: ResultBackend, check_tasks: CheckTasks) -> None:
        """userguide/calling, Serializers: pickle supports all built-in Python types."""
        value = [(1, 2), {3}, frozenset({4}), 5j, b"\x00\xff", {1: "a", (2, 3): "b"}, datetime.timedelta(1)]
        comes_back(result_backend, check_tasks, value)

    @except_on("django-cache", verdict=YES)
    @except_on(*DATABASES, verdict=YES, until=(5, 7))
    @check("serializers")
    @pytest.mark.celery(**PICKLE)
    def test_pickle_keeps_instances(self, result_backend: ResultBackend, check_tasks: CheckTasks) -> None:
        """userguide/calling, Serializers: pickle supports class instances."""
        comes_back(result_backend, check_tasks, Parcel(7))

    @except_on("django-cache", verdict=YES)
    @except_on(*DATABASES, verdict=YES, until=(5, 7))
    @check("serializers")
    @pytest.mark.celery(**PICKLE)
    def test_pickle_carries_exceptions_as_values(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """celery.result.AsyncResult.get: an exception that a task returns is a value, and not raised."""
        comes_back(result_backend, check_tasks, KeyError("returned"))

    @except_on("django-cache", verdict=YES)
    @except_on(*DATABASES, verdict=YES, until=(5, 7))
    @check("serializers")
    @pytest.mark.celery(**PICKLE)
    def test_pickle_keeps_meta_of_a_state(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks, Custom states: meta goes through the serializer of results."""
        meta = (1, {2})
        result = check_tasks.leaving("PROGRESS", meta)
        until_stored(result_backend, result, "PROGRESS")
        assert result.info == meta

    @except_on("azureblob", verdict=YES)
    @except_on("django-cache", verdict=YES)
    @except_on(*DATABASES, verdict=YES, until=(5, 7))
    @check("serializers")
    @pytest.mark.celery(**YAML)
    def test_yaml_carries_what_json_does(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/calling, Serializers: YAML has more types than JSON."""
        comes_back(
            result_backend, check_tasks, {"a": [1, 2.5, None, True, "Größe"], "on": datetime.date(2026, 1, 2)}
        )

    @except_on("django-cache", verdict=YES)
    @except_on(*DATABASES, verdict=YES, until=(5, 7))
    @check("serializers")
    @pytest.mark.celery(**MSGPACK)
    def test_msgpack_carries_bytes_and_text(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/calling, Serializers: msgpack is binary, and tells bytes from text."""
        comes_back(
            result_backend, check_tasks, {"bytes": b"\x00\xff", "text": "Größe", "numbers": [1, 2.5, None]}
        )

    @except_on("azureblob", verdict=YES)
    @except_on(*DATABASES, verdict=ALWAYS_PICKLE, until=(5, 7))
    @check("serializers")
    @pytest.mark.celery(result_serializer="yaml", accept_content=["json", "yaml"])
    def test_the_serializer_decides_what_is_stored(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/configuration, result_serializer: "Result serialization format"."""
        result = check_tasks.returning(["stored", "as", "yaml"])
        until_stored(result_backend, result, states.SUCCESS)
        raw = b"".join(each.raw for each in records_of(result_backend, result))
        assert b"- stored" in raw
        assert result.get(timeout=LIMIT) == ["stored", "as", "yaml"]

    @check("compression")
    def test_a_compressed_result_comes_back(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, result_compression: "Optional compression method used for task results"."""
        result_backend.assert_compressed(method="gzip", saves=1000, timeout=LIMIT)

    @check("any_reader")
    def test_another_process_reads_the_same_value(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks, Result Backends: whoever has the configuration and the id can read a result."""
        result = check_tasks.returning({"numbers": [1, 2.5, None], "text": "Größe"})
        result_backend.assert_same_everywhere(result, timeout=LIMIT)

    @except_on("django-db", verdict=UNTRACED)
    @check("any_reader")
    def test_another_process_reads_the_same_failure(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks, FAILURE: exception and traceback, for whoever has the configuration and the id."""
        result = check_tasks.raising(ValueError("boom", 7))
        result_backend.assert_same_everywhere(result, timeout=LIMIT)

    @staticmethod
    def _sent(backend: ResultBackend, tasks: CheckTasks, value: Any) -> Any:
        result = tasks.returning(value)
        until_stored(backend, result, states.SUCCESS)
        return result.get(timeout=LIMIT)
