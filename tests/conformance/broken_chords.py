"""Backends that are wrong about chords."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from breaking import breaks
from celery import maybe_signature
from celery.backends.cache import CacheBackend


@breaks(
    "memory",
    "TestChords::test_the_body_runs_once_all_header_tasks_are_done",
    "TestChords::test_the_body_of_a_single_task_is_given_a_list",
    "TestChords::test_a_header_of_a_hundred_tasks_loses_none",
    "TestChords::test_a_group_in_the_header_counts_each_of_its_tasks",
    "TestChords::test_a_chord_in_the_header_gives_the_value_of_its_body",
    "TestChords::test_a_chain_in_the_header_gives_its_last_value",
    "TestChords::test_a_task_may_follow_the_body",
    "TestChords::test_one_chord_may_follow_another",
    "TestChords::test_two_chords_at_a_time_do_not_mix",
    "TestChordErrors::test_a_chord_that_failed_does_not_stop_the_next",
    "TestConcurrency::test_a_chord_on_four_threads_runs_its_body_once",
)
class LosesTheLastMember(CacheBackend):
    """Gives the results of a group without the last."""

    def get_many(self, task_ids: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from list(super().get_many(task_ids, *args, **kwargs))[:-1]


@breaks("memory", "TestChords::test_the_body_runs_once")
class RepeatsBodies(CacheBackend):
    """Runs the body of a chord once more for each task of its header."""

    def on_chord_part_return(self, request: Any, state: str, result: Any, **kwargs: Any) -> None:
        super().on_chord_part_return(request, state, result, **kwargs)
        maybe_signature(request.chord, app=self.app).apply_async(([],))


@breaks("memory", "TestChords::test_the_body_of_an_empty_header_is_given_an_empty_list")
class WrapsLists(CacheBackend):
    """Stores a list as something else."""

    def encode_result(self, result: Any, state: str) -> Any:
        encoded = super().encode_result(result, state)
        return {"items": encoded} if isinstance(encoded, list) else encoded


@breaks(
    "memory",
    "TestChords::test_the_header_is_the_parent_of_the_body",
    "TestChords::test_each_header_task_keeps_its_result",
)
class DropsHeaders(CacheBackend):
    """Removes the results of a header once the body has them."""

    def on_chord_part_return(self, request: Any, state: str, result: Any, **kwargs: Any) -> None:
        members = self.app.GroupResult.restore(request.group)
        super().on_chord_part_return(request, state, result, **kwargs)
        if self.get(self.get_key_for_group(request.group)) is None:
            for each in members or ():
                self.delete(self.get_key_for_task(each.id))


@breaks("memory", "TestChords::test_nothing_that_counted_tasks_stays_for_good")
class KeepsCounters(CacheBackend):
    """Leaves behind what it counted the tasks of a header with."""

    def delete(self, key: Any) -> None:
        if self.chord_keyprefix not in key:
            super().delete(key)


@breaks(
    "memory",
    "TestChordErrors::test_the_body_fails_with_the_header",
    "TestChordErrors::test_the_error_of_the_body_says_what_was_raised",
    "TestChordErrors::test_the_errback_of_the_body_is_called",
)
class TellsNobodyOfFailedHeaders(CacheBackend):
    """Leaves the body of a chord alone where its header has failed."""

    def chord_error_from_stack(self, callback: Any, exc: Any = None) -> Any:
        return exc


@breaks("memory", "TestChordErrors::test_the_body_does_not_run")
class RunsBodiesOfFailedHeaders(CacheBackend):
    """Runs the body of a chord, whatever became of its header."""

    def chord_error_from_stack(self, callback: Any, exc: Any = None) -> Any:
        answer = super().chord_error_from_stack(callback, exc)
        callback.delay([])
        return answer


@breaks("memory", "TestChordErrors::test_what_the_body_raises_is_its_own_error")
class TellsErrorsByTheirText(CacheBackend):
    """Keeps of an exception its text."""

    def prepare_exception(self, exc: Any, serializer: Any = None) -> Any:
        return super().prepare_exception(Exception(str(exc)), serializer)
