"""Backends that are wrong in what they say of a result beside its value."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Final

from breaking import breaks
from celery import states
from celery.backends.cache import CacheBackend

OLD: Final = datetime(2000, 1, 1, tzinfo=timezone.utc).isoformat()
EXTENDED: Final = ("name", "args", "kwargs", "worker", "retries", "queue")


@breaks(
    "memory",
    "TestMetadata::test_a_failure_says_when_it_came",
    "TestMetadata::test_a_success_says_when_it_came",
    "TestMetadata::test_the_time_zone_of_an_app_moves_no_date",
)
class LivesInThePast(CacheBackend):
    """Says of all that ended that it did so long ago."""

    def _get_result_meta(self, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        meta = super()._get_result_meta(result, state, *args, **kwargs)
        return {**meta, "date_done": OLD if state in states.READY_STATES else None}


@breaks("memory", "TestMetadata::test_a_task_that_runs_has_no_date_of_its_end")
class DatesEverything(CacheBackend):
    """Says of what goes on when it ended."""

    def _get_result_meta(self, *args: Any, **kwargs: Any) -> Any:
        return {**super()._get_result_meta(*args, **kwargs), "date_done": OLD}


@breaks(
    "memory",
    "TestMetadata::test_extended_failures_say_of_what_they_are",
    "TestMetadata::test_extended_results_count_the_retries",
    "TestMetadata::test_extended_results_have_the_arguments",
    "TestMetadata::test_extended_results_name_the_queue",
    "TestMetadata::test_extended_results_name_the_worker",
    "TestMetadata::test_extended_results_name_their_task",
)
class NeverExtends(CacheBackend):
    """Takes no notice of ``result_extended``."""

    def _get_result_meta(self, *args: Any, **kwargs: Any) -> Any:
        meta = super()._get_result_meta(*args, **kwargs)
        return {key: value for key, value in meta.items() if key not in EXTENDED}


@breaks(
    "memory",
    "TestMetadata::test_a_result_knows_the_group_that_its_task_sent",
    "TestMetadata::test_a_result_knows_what_its_task_sent",
)
class LosesChildren(CacheBackend):
    """Does not know what a task has sent."""

    def current_task_children(self, request: Any = None) -> Any:
        return []


@breaks("memory", "TestMetadata::test_a_task_that_sent_nothing_has_no_children")
class InventsChildren(CacheBackend):
    """Knows of something that no task has sent."""

    def current_task_children(self, request: Any = None) -> Any:
        return [(("somebody-elses", None), None)]
