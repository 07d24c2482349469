"""Celery's memory cache: shared by all apps of the process, and without any age."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def store(open_store: Any) -> Any:
    return open_store("memory", result_expires=3600)


def test_results_never_expire(store: Any) -> None:
    store.keep()
    assert [found.expires_in for found in store.probe.stored()] == [None]


def test_why_no_copy_can_be_older(store: Any) -> None:
    with pytest.raises(NotImplementedError, match="never expires"):
        store.probe.aged_copy(store.keep(), 10)


def test_a_chords_counter_is_listed_under_its_group(store: Any) -> None:
    key = store.backend.get_key_for_chord("g1")
    store.backend.client.set(key, 0)
    store.backend.client.incr(key)
    assert [(found.kind, found.task_id, found.raw) for found in store.probe.stored()] == [
        ("chord", "g1", b"1")
    ]


def test_looking_does_not_keep_a_result_from_being_dropped_as_the_oldest(store: Any) -> None:
    first, second = store.keep(), store.keep()
    order = [key for key in store.probe.client.data if store.namespace.name.encode() in key]
    store.probe.held(first)
    store.probe.stored()
    assert [key for key in store.probe.client.data if store.namespace.name.encode() in key] == order
    assert [key.decode().endswith(task) for key, task in zip(order, (first, second), strict=True)] == [
        True
    ] * 2


def test_two_apps_do_not_see_each_others_results(store: Any, open_store: Any) -> None:
    other = open_store("memory")
    task_id = store.keep()
    assert other.backend.get_task_meta(task_id)["status"] == "PENDING"
