"""Backends that lose something of an exception, or of where it happened."""

from __future__ import annotations

from typing import Any

from breaking import breaks
from celery import states
from celery.backends.cache import CacheBackend


@breaks(
    "memory",
    "TestErrors::test_get_raises_what_the_task_raised",
    "TestErrors::test_get_gives_the_exception_where_it_may_not_raise",
    "TestErrors::test_the_result_of_a_failure_is_its_exception",
    "TestErrors::test_an_exception_keeps_all_its_arguments",
    "TestErrors::test_an_exception_without_arguments_stays_without",
    "TestErrors::test_an_exception_of_an_application_is_its_own_class",
    "TestErrors::test_an_exception_may_be_caught_by_its_parent_class",
    "TestErrors::test_an_argument_that_no_serializer_takes_becomes_text",
    "TestErrors::test_a_task_that_is_given_too_little_fails",
    "TestErrors::test_too_many_retries_without_a_reason_are_an_error_of_their_own",
    "TestErrors::test_pickle_keeps_what_an_exception_carries",
    "TestErrors::test_maybe_throw_raises_at_once",
)
class FlattensErrors(CacheBackend):
    """Keeps of an exception its text."""

    def prepare_exception(self, exc: Any, serializer: Any = None) -> Any:
        return super().prepare_exception(Exception(str(exc)), serializer)


@breaks("memory", "TestErrors::test_an_exception_that_nobody_can_find_keeps_its_name")
class HidesErrors(CacheBackend):
    """Says of all exceptions that something went wrong."""

    def prepare_exception(self, exc: Any, serializer: Any = None) -> Any:
        return super().prepare_exception(Exception("something went wrong"), serializer)


@breaks(
    "memory",
    "TestErrors::test_the_text_of_an_exception_may_be_in_any_script",
    "TestErrors::test_the_text_of_an_exception_may_be_long",
)
class ShortensErrors(CacheBackend):
    """Keeps a hundred ASCII characters of a text."""

    def prepare_exception(self, exc: Any, serializer: Any = None) -> Any:
        exc.args = tuple(str(each).encode("ascii", "replace").decode()[:100] for each in exc.args)
        return super().prepare_exception(exc, serializer)


@breaks(
    "memory",
    "TestTracebacks::test_a_failure_has_a_traceback",
    "TestTracebacks::test_a_traceback_names_the_line_that_raised",
    "TestTracebacks::test_every_reader_finds_the_traceback",
)
class LosesTracebacks(CacheBackend):
    """Stores everything but the traceback."""

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        kwargs["traceback"] = None
        return super()._store_result(task_id, result, state, **kwargs)


@breaks(
    "memory",
    "TestTracebacks::test_a_long_traceback_is_stored_to_its_end",
    "TestTracebacks::test_a_traceback_may_be_in_any_script",
    "TestTracebacks::test_a_traceback_tells_what_came_before",
)
class ShortensTracebacks(CacheBackend):
    """Keeps the last 150 ASCII characters of a traceback that is long, and the first of one that is very long."""

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        text = (traceback or "").encode("ascii", "replace").decode()
        short = text[:500] if len(text) > 2000 else text[-150:]
        return super()._store_result(task_id, result, state, short or None, *args, **kwargs)


@breaks("memory", "TestTracebacks::test_a_success_has_no_traceback")
class InventsTracebacks(CacheBackend):
    """Gives every result a traceback."""

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        return super()._store_result(
            task_id, result, state, traceback or f"none: {states.SUCCESS}", *args, **kwargs
        )
