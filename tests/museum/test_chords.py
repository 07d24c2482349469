"""Chords: what was reported of them, each with what is expected, and where it still is not so."""

from __future__ import annotations

from typing import Any

import pytest
from celery import chord, group
from celery.exceptions import ChordError

from pytest_celery_backends import ResultBackend, ResultWorker

differs = pytest.mark.differs
said = pytest.mark.said

#: Seconds for what takes milliseconds.
LIMIT = 5


@pytest.mark.backends("redis", "memory", "memcached", "sqlite")
@pytest.mark.celery(result_chord_join_timeout=0.2)
@said("redis", fixed=(5, 7))
@said("memory", "memcached")
@differs("redis", until=(5, 7), why="the body runs early, with the part twice and another missing")
@differs(
    "memory",
    "memcached",
    raises=ChordError,
    why="the body fails with ChordError, though every part succeeded",
)
def test_celery_10919_a_chord_part_delivered_twice_is_counted_twice(result_worker: ResultWorker) -> None:
    """celery#10919, celery#10998: a part that a broker delivers again takes the place of another."""

    @result_worker.task(bind=True)
    def part(self: Any, value: str) -> str:
        if value == "a" and not self.request.retries:
            self.signature_from_request(self.request, retries=1).apply_async()
        return f"{value}{self.request.retries}"

    @result_worker.task
    def collect(values: list[str]) -> list[str]:
        return values

    late = [part.s("b").set(countdown=0.1), part.s("c").set(countdown=0.2)]
    body = chord([part.s("a"), *late])(collect.s())
    assert [value[0] for value in body.get(timeout=LIMIT)] == ["a", "b", "c"]


@pytest.mark.backends("redis", "memory", "sqlite")
@pytest.mark.celery(result_expires=0)
@said("redis", fixed=(5, 0))
def test_celery_5237_a_chord_never_ends_where_results_are_kept_for_ever(tasks: Any) -> None:
    """celery#5237, celery#6373: with ``result_expires=0`` Redis dropped the counter of a chord at once."""
    body = chord([tasks.add.s(1, 1), tasks.add.s(2, 2)])(tasks.total.s())
    assert body.get(timeout=LIMIT) == 6


@pytest.mark.backends("rpc-memory", "redis")
@said("rpc-memory")
@differs("rpc-memory", raises=NotImplementedError, why="NotImplementedError where the chord is called")
def test_celery_2725_a_chord_cannot_be_used_with_rpc(tasks: Any) -> None:
    """celery#2725: "Chords are not supported by the RPC backend"."""
    body = chord([tasks.add.s(1, 1), tasks.add.s(2, 2)])(tasks.total.s())
    assert body.get(timeout=LIMIT) == 6


@pytest.mark.backends("redis", "memory")
@said("redis", since=(5, 7))
@differs("redis", since=(5, 7), why="a key is left for five minutes: <group>.c")
def test_celery_10998_a_chord_leaves_a_key_that_nothing_forgets(
    tasks: Any, result_backend: ResultBackend
) -> None:
    """celery#10998: what counts each part once leaves a mark that the chord is done."""
    body = chord([tasks.add.s(1, 1), tasks.add.s(2, 2)])(tasks.total.s())
    assert body.get(timeout=LIMIT) == 6
    body.forget()
    result_backend.assert_no_leftovers()


@pytest.mark.backends("memcached", "memory")
@pytest.mark.celery(result_expires=60, result_chord_expires=300)
@said("memcached", fixed=(5, 7))
@differs("memcached", until=(5, 7), why="the group and its counter go when results go")
def test_celery_1954_a_chord_goes_before_its_last_part_comes(
    tasks: Any, result_backend: ResultBackend
) -> None:
    """celery#1954, celery#10830: "GroupResult no longer exists", where a part took longer than results live;
    ``result_chord_expires`` is new in 5.7."""
    chord([tasks.add.s(1, 1), tasks.add.s(2, 2).set(countdown=300)])(tasks.total.s())
    waiting = [entry for entry in result_backend.stored() if entry.kind in ("chord", "group")]
    assert waiting
    assert all(entry.expires_in is None or entry.expires_in > 120 for entry in waiting)


@pytest.mark.backends("redis", "sqlite")
@said("redis", "sqlite", fixed=(5, 6))
def test_celery_9788_a_chord_whose_body_is_a_group_fails(tasks: Any) -> None:
    """celery#9788: a group as the body of a chord."""
    body = chord([tasks.add.s(1, 1), tasks.add.s(2, 2)])(group(tasks.total.s(), tasks.echo.s()))
    assert body.get(timeout=LIMIT) == [6, [2, 4]]


@pytest.mark.backends("mongodb", "sqlite")
@said("mongodb")
def test_celery_4701_a_chord_of_two_tasks_does_not_run_on_mongodb(tasks: Any) -> None:
    """celery#4701: "Chords with more than one header do not run"; the report is open."""
    body = chord([tasks.add.s(1, 1), tasks.add.s(2, 2)])(tasks.total.s())
    assert body.get(timeout=LIMIT) == 6


@pytest.mark.backends("django-db", "redis")
@said("django-db")
def test_django_celery_results_183_a_chord_misses_its_counter(tasks: Any) -> None:
    """django-celery-results#183, django-celery-results#177, django-celery-results#447:
    "ChordCounter matching query does not exist"."""
    for _ in range(5):
        body = chord([tasks.add.s(1, 1), tasks.add.s(2, 2)])(tasks.total.s())
        assert body.get(timeout=LIMIT) == 6
