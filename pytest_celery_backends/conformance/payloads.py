"""Whether a value comes back as the task returned it."""

from __future__ import annotations

from typing import Any, Final

from celery import states

from .. import ResultBackend, check, except_on
from .families import ALWAYS_PICKLE, DATABASES, OBJECTS
from .limits import LIMIT
from .stored import until_stored
from .tasks import CheckTasks

JSON: Final = (
    "userguide/calling, Serializers: what JSON has: https://docs.celeryq.dev/en/stable/userguide/calling.html"
)


def comes_back(backend: ResultBackend, tasks: CheckTasks, value: Any, expected: Any = ...) -> None:
    """Assert what a value is once it was stored and read: the same, with the types of all its parts.

    ``==`` would take True for 1; two values of these checks that print alike are alike.
    """
    result = tasks.returning(value)
    until_stored(backend, result, states.SUCCESS)
    found = result.get(timeout=LIMIT)
    assert repr(found) == repr(value if expected is ... else expected)
    assert type(found) is type(value if expected is ... else expected)


class TestPayloads:
    """userguide/calling, Serializers, of results under JSON, which is Celery's default."""

    @check("core")
    def test_whole_numbers_come_back(self, result_backend: ResultBackend, check_tasks: CheckTasks) -> None:
        """userguide/configuration, result_serializer: numbers of any size."""
        comes_back(result_backend, check_tasks, [0, -1, 2**31, 2**53 + 1, -(2**63), 10**30])

    @check("core")
    def test_fractions_come_back_exactly(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/configuration, result_serializer: a float is written so that it is read as the same."""
        comes_back(result_backend, check_tasks, [0.1, 1 / 3, -0.0, 5e-324, 1.7976931348623157e308])

    @check("core")
    def test_truth_values_are_no_numbers(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/configuration, result_serializer: JSON has truth values of its own."""
        comes_back(result_backend, check_tasks, [True, 1, False, 0, None])

    @check("core")
    def test_nothing_comes_back_as_nothing(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks: a task without a return statement returns None, and has succeeded."""
        comes_back(result_backend, check_tasks, None)

    @check("core")
    def test_zero_is_a_value(self, result_backend: ResultBackend, check_tasks: CheckTasks) -> None:
        """celery.result.AsyncResult.get: the return value, whether true or not."""
        comes_back(result_backend, check_tasks, 0)

    @check("core")
    def test_false_is_a_value(self, result_backend: ResultBackend, check_tasks: CheckTasks) -> None:
        """celery.result.AsyncResult.get: the return value, whether true or not."""
        comes_back(result_backend, check_tasks, False)

    @check("core")
    def test_an_empty_text_is_a_value(self, result_backend: ResultBackend, check_tasks: CheckTasks) -> None:
        """celery.result.AsyncResult.get: the return value, whether true or not."""
        comes_back(result_backend, check_tasks, "")

    @check("core")
    def test_an_empty_list_is_a_value(self, result_backend: ResultBackend, check_tasks: CheckTasks) -> None:
        """celery.result.AsyncResult.get: the return value, whether true or not."""
        comes_back(result_backend, check_tasks, [])

    @check("core")
    def test_text_comes_back_in_any_script(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/configuration, result_serializer: JSON's text is Unicode."""
        comes_back(result_backend, check_tasks, "Größe 尺寸 عربى 🧦 e\u0301")

    @check("core")
    def test_control_characters_come_back(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/configuration, result_serializer: JSON's text has all characters, NUL as well."""
        comes_back(result_backend, check_tasks, "a\x00b\x1f\x7f\r\n\t\\ \" ' %s {} ;--")

    @check("core")
    def test_text_that_looks_like_json_stays_text(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/configuration, result_serializer: what was text is text."""
        comes_back(result_backend, check_tasks, ['{"status": "FAILURE"}', "null", "1", "2026-01-01T00:00:00"])

    @check("core")
    def test_a_value_that_looks_like_a_result_stays_a_value(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """celery.result.AsyncResult.get: the return value, whatever its keys are called."""
        value = {
            "status": states.FAILURE,
            "result": {"exc_type": "ValueError"},
            "traceback": "x",
            "children": [],
        }
        comes_back(result_backend, check_tasks, value)

    @check("core")
    def test_nested_values_come_back(self, result_backend: ResultBackend, check_tasks: CheckTasks) -> None:
        """userguide/configuration, result_serializer: lists and objects in each other."""
        value: Any = {"leaf": [1, None]}
        for level in range(30):
            value = [value] if level % 2 else {"level": value}
        comes_back(result_backend, check_tasks, value)

    @check("core")
    def test_an_object_of_many_keys_keeps_their_order(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/configuration, result_serializer: an object's keys are read in the order written."""
        comes_back(result_backend, check_tasks, {f"key {number * 7 % 500}": number for number in range(500)})

    @except_on("django-cache", verdict=OBJECTS)
    @except_on(*DATABASES, verdict=ALWAYS_PICKLE, until=(5, 7))
    @check("core")
    def test_a_tuple_comes_back_as_a_list(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/calling, Serializers: JSON has lists alone."""
        comes_back(result_backend, check_tasks, (1, (2, 3)), expected=[1, [2, 3]])

    @check("large_results")
    def test_a_hundred_thousand_bytes_of_text_come_back(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks, Data locality: large results are no good idea, and may not be cut off."""
        text = "0123456789" * 3_000 + "\u00fc" * 15_000 + "\U0001f600" * 10_000
        comes_back(result_backend, check_tasks, text)

    @check("large_results")
    def test_thirty_thousand_numbers_come_back(
        self, result_backend: ResultBackend, check_tasks: CheckTasks
    ) -> None:
        """userguide/tasks, Data locality: large results are no good idea, and may not be cut off."""
        comes_back(result_backend, check_tasks, list(range(30_000)))
