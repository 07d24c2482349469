"""What every probe of a store does, checked against what Celery itself stores."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_celery_backends.spec import Held

# Celery 5.7 calls what redis-py 8.1 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")

STORES = (
    "azureblob",
    "consul",
    "dynamodb",
    "filesystem",
    "mariadb",
    "memcached",
    "memory",
    "mongodb",
    "postgres",
    "redis",
    "s3",
    "sqlite",
)
AGEING = ("consul", "filesystem", "mariadb", "memcached", "mongodb", "postgres", "redis", "sqlite")
CLEANED = ("filesystem", "mariadb", "mongodb", "postgres", "sqlite")


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, open_store: Any) -> Any:
    return open_store(request.param, result_expires=3600)


def test_a_new_namespace_is_empty(store: Any) -> None:
    assert store.probe.stored() == []


def test_a_result_is_listed_with_its_task_and_state(store: Any) -> None:
    task_id = store.keep([1, 2])
    (found,) = store.probe.stored()
    assert (found.task_id, found.kind, found.state) == (task_id, "task", "SUCCESS")
    assert found.size >= len(found.raw) > 0


def test_a_failure_is_listed_as_failure(store: Any) -> None:
    store.backend.mark_as_failure("t1", ValueError("no"), traceback="Traceback ...")
    assert [(found.task_id, found.state) for found in store.probe.stored()] == [("t1", "FAILURE")]


def test_a_custom_state_is_listed(store: Any) -> None:
    store.keep({"done": 3}, "PROGRESS")
    assert [found.state for found in store.probe.stored()] == ["PROGRESS"]


def test_a_saved_group_is_listed_as_a_group(store: Any) -> None:
    tasks = [store.keep() for _ in range(2)]
    members = [store.app.AsyncResult(task_id) for task_id in tasks]
    store.app.GroupResult("g1", members).save(backend=store.backend)
    found = [(entry.kind, entry.task_id) for entry in store.probe.stored() if entry.kind != "other"]
    assert sorted(found) == [("group", "g1"), *[("task", task_id) for task_id in sorted(tasks)]]


@pytest.mark.parametrize("name", STORES)
def test_results_of_another_serializer_are_read(name: str, open_store: Any) -> None:
    store = open_store(name, result_serializer="pickle", accept_content=["pickle", "json"])
    store.keep({"a", "set"})
    assert [found.state for found in store.probe.stored()] == ["SUCCESS"]


@pytest.mark.parametrize("name", STORES)
def test_extended_results_are_read(name: str, open_store: Any) -> None:
    from celery.app.task import Context

    store = open_store(name, result_extended=True)
    request = Context(task="shop.total", args=["a" * 300], kwargs={}, delivery_info={"routing_key": "celery"})
    store.backend.store_result("t1", 1, "SUCCESS", request=request)
    (found,) = store.probe.stored()
    assert found.state == "SUCCESS"
    assert found.size > 300


def test_entries_come_in_the_same_order_each_time(store: Any) -> None:
    for _ in range(5):
        store.keep()
    keys = [found.key for found in store.probe.stored()]
    assert keys == sorted(keys) == [found.key for found in store.probe.stored()]


def test_the_raw_bytes_of_a_task_are_those_that_are_listed(store: Any) -> None:
    task_id = store.keep()
    (listed,) = store.probe.stored()
    assert store.probe.held(task_id) == Held(state="SUCCESS", raw=listed.raw)


def test_nothing_is_held_for_an_unknown_task(store: Any) -> None:
    assert store.probe.held("unknown") is None


def test_forgetting_is_seen(store: Any) -> None:
    task_id = store.keep()
    store.app.AsyncResult(task_id).forget()
    assert store.probe.stored() == []


def test_one_task_is_removed_and_no_other(store: Any) -> None:
    gone, stays = store.keep(), store.keep()
    store.probe.remove(gone)
    assert store.ids() == [stays]


def test_an_unknown_task_can_be_removed(store: Any) -> None:
    store.probe.remove("unknown")


def test_emptying_leaves_the_neighbour_alone(store: Any, open_store: Any) -> None:
    neighbour = open_store(store.spec.name, service=store.service, namespace=f"{store.namespace.name}2")
    store.keep()
    kept = neighbour.keep()
    store.probe.empty()
    assert (store.ids(), neighbour.ids()) == ([], [kept])


def test_celery_goes_on_storing_after_emptying(store: Any) -> None:
    store.keep()
    store.probe.empty()
    again = store.keep()
    assert store.backend.get_task_meta(again)["status"] == "SUCCESS"
    assert store.ids() == [again]


def test_a_dropped_namespace_is_empty_when_it_is_made_again(store: Any) -> None:
    store.keep()
    store.probe.drop()
    store.probe.create()
    assert store.probe.stored() == []


def test_a_namespace_can_be_dropped_twice(store: Any) -> None:
    store.probe.drop()
    store.probe.drop()


@pytest.mark.parametrize("name", AGEING)
def test_a_result_expires_after_its_lifetime(name: str, open_store: Any) -> None:
    store = open_store(name, result_expires=3600)
    store.keep()
    (found,) = store.probe.stored()
    assert found.expires_in == pytest.approx(3600, abs=10)


@pytest.mark.parametrize("name", CLEANED)
def test_a_result_without_lifetime_never_expires(name: str, open_store: Any) -> None:
    store = open_store(name, result_expires=None)
    store.keep()
    assert store.probe.stored()[0].expires_in is None


@pytest.mark.parametrize("name", AGEING)
def test_a_copy_is_older_and_the_original_is_not(name: str, open_store: Any) -> None:
    store = open_store(name, result_expires=3600)
    original = store.keep()
    copy = store.probe.aged_copy(original, 600)
    left = {found.task_id: found.expires_in for found in store.probe.stored()}
    assert left[original] - left[copy] == pytest.approx(600, abs=2)


@pytest.mark.parametrize("name", AGEING)
def test_celery_reads_a_copy_like_any_result(name: str, open_store: Any) -> None:
    store = open_store(name, result_expires=3600)
    copy = store.probe.aged_copy(store.keep("kept"), 60)
    assert store.app.AsyncResult(copy).get(timeout=5) == "kept"


@pytest.mark.parametrize("name", AGEING)
def test_nothing_can_be_copied_where_nothing_is_stored(name: str, open_store: Any) -> None:
    with pytest.raises(LookupError, match="nothing is stored for task unknown"):
        open_store(name).probe.aged_copy("unknown", 1)


@pytest.mark.parametrize("name", AGEING)
def test_only_the_copy_that_is_too_old_goes(name: str, open_store: Any) -> None:
    store = open_store(name, result_expires=3600)
    original = store.keep()
    young, _old = (store.probe.aged_copy(original, seconds) for seconds in (3590, 3610))
    store.backend.cleanup()
    assert store.ids() == sorted([original, young])


@pytest.mark.parametrize("name", AGEING)
def test_time_passes_for_everything_stored(name: str, open_store: Any) -> None:
    store = open_store(name, result_expires=3600)
    for _ in range(2):
        store.keep()
    store.probe.advance(600)
    assert [found.expires_in for found in store.probe.stored()] == pytest.approx([3000, 3000], abs=10)


@pytest.mark.parametrize("name", AGEING)
def test_what_is_over_by_then_goes(name: str, open_store: Any) -> None:
    store = open_store(name, result_expires=3600)
    old = store.keep()
    store.probe.advance(3000)
    young = store.keep()
    store.probe.advance(590)
    store.backend.cleanup()
    assert store.ids() == sorted([old, young])
    store.probe.advance(20)
    store.backend.cleanup()
    assert store.ids() == [young]
    assert store.backend.get_task_meta(young)["status"] == "SUCCESS"


@pytest.mark.parametrize("name", sorted({*STORES} - {*AGEING}))
def test_nothing_goes_where_nothing_expires(name: str, open_store: Any) -> None:
    store = open_store(name, result_expires=3600)
    kept = store.keep()
    store.probe.advance(10**6)
    store.backend.cleanup()
    assert store.ids() == [kept]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "UTC"])
@pytest.mark.parametrize("name", CLEANED)
def test_expires_in_says_what_cleanup_does_in_every_timezone(name: str, zone: str, open_store: Any) -> None:
    store = open_store(name, result_expires=100_000, timezone=zone)
    original = store.keep()
    for hours in range(0, 48, 3):
        store.probe.aged_copy(original, hours * 3600 + 1800)
    kept = sorted(found.task_id for found in store.probe.stored() if found.expires_in > 0)
    assert 0 < len(kept) < 17
    store.backend.cleanup()
    assert store.ids() == kept
