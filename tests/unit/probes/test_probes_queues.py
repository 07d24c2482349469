"""The rpc backend: results that wait as messages, among messages that are none."""

from __future__ import annotations

from typing import Any

import pytest
from celery.app.task import Context

from pytest_celery_backends.capabilities import Capability
from pytest_celery_backends.spec import Held
from pytest_celery_backends.vhost import virtual_host


@pytest.fixture
def store(open_store: Any) -> Any:
    return open_store("rpc-memory")


def _send(store: Any, task_id: str, value: object = 4, state: str = "SUCCESS") -> None:
    with store.app.connection_for_write() as connection:
        store.backend.binding(connection.default_channel).declare()
    request = Context(id=task_id, reply_to=store.app.thread_oid, correlation_id=task_id)
    store.backend.store_result(task_id, value, state, request=request)


def test_a_new_virtual_host_is_empty(store: Any) -> None:
    assert store.probe.stored() == []


def test_each_state_is_a_message_in_the_reply_queue(store: Any) -> None:
    _send(store, "t1", None, "STARTED")
    _send(store, "t1", 4)
    found = [(entry.task_id, entry.kind, entry.state, entry.key) for entry in store.probe.stored()]
    queue = store.app.thread_oid
    assert found == [("t1", "message", "STARTED", queue), ("t1", "message", "SUCCESS", queue)]


def test_the_latest_message_is_a_tasks_state(store: Any) -> None:
    _send(store, "t1", None, "STARTED")
    _send(store, "t1", 4)
    found, listed = store.probe.held("t1"), store.probe.stored()[-1]
    assert found == Held(state=listed.state, raw=listed.raw)
    assert store.probe.held("unknown") is None


def test_a_result_that_was_fetched_is_gone(store: Any) -> None:
    _send(store, "t1")
    with store.app.connection_for_write() as connection:
        assert store.backend.binding(connection.default_channel).get(no_ack=True).payload["result"] == 4
    assert store.probe.stored() == []


def test_a_result_that_a_consumer_holds_is_still_listed(store: Any) -> None:
    _send(store, "t1")
    virtual_host(store.namespace.name).get(store.app.thread_oid, tag="held")
    assert [found.task_id for found in store.probe.stored()] == ["t1"]


def test_a_task_that_waits_is_no_result(store: Any) -> None:
    with store.app.connection_for_write() as connection:
        store.app.amqp.queues["celery"](connection.default_channel).declare()
    store.app.send_task("shop.total", args=[1])
    assert virtual_host(store.namespace.name).size("celery") == 1
    assert store.probe.stored() == []


def test_emptying_removes_results_and_no_tasks(store: Any) -> None:
    with store.app.connection_for_write() as connection:
        store.app.amqp.queues["celery"](connection.default_channel).declare()
    store.app.send_task("shop.total", args=[1])
    _send(store, "t1")
    store.probe.empty()
    assert store.probe.stored() == []
    assert virtual_host(store.namespace.name).size("celery") == 1


def test_one_tasks_messages_are_removed(store: Any) -> None:
    _send(store, "t1")
    _send(store, "t2")
    store.probe.remove("t1")
    assert [found.task_id for found in store.probe.stored()] == ["t2"]


def test_a_neighbour_keeps_its_messages(store: Any, open_store: Any) -> None:
    other = open_store("rpc-memory")
    _send(other, "t1")
    store.probe.drop()
    assert [found.task_id for found in other.probe.stored()] == ["t1"]


def test_a_result_expires_with_its_queue(store: Any) -> None:
    _send(store, "t1")
    queue = virtual_host(store.namespace.name).queues[store.app.thread_oid]
    queue.arguments = {"x-expires": 60_000}
    assert store.probe.stored()[0].expires_in == pytest.approx(60, abs=5)
    queue.consumers = 1
    assert store.probe.stored()[0].expires_in is None


def test_why_no_copy_can_be_older(store: Any) -> None:
    with pytest.raises(NotImplementedError, match="a message has no age"):
        store.probe.aged_copy("t1", 10)


def test_names_are_sent_where_the_spec_says_that_results_can_be_extended(open_store: Any) -> None:
    store = open_store("rpc-memory", result_extended=True)
    _send(store, "t1")
    has_name = b'"name"' in store.probe.stored()[0].raw
    assert has_name == bool(store.spec.verdict(Capability.EXTENDED))
