"""Results that wait as messages in a real RabbitMQ, among messages that are none."""

from __future__ import annotations

from typing import Any

import pytest
from celery.app.task import Context

from pytest_celery_backends.capabilities import Capability
from pytest_celery_backends.probes.amqp import connected, identify, sweep
from pytest_celery_backends.spec import Held, NotReady, Refused


@pytest.fixture
def store(open_store: Any) -> Any:
    return open_store("rpc")


def _send(store: Any, task_id: str, value: object = 4, state: str = "SUCCESS") -> None:
    with store.app.connection_for_write() as connection:
        store.backend.binding(connection.default_channel).declare()
    request = Context(id=task_id, reply_to=store.app.thread_oid, correlation_id=task_id)
    store.backend.store_result(task_id, value, state, request=request)


def _send_task(store: Any) -> None:
    with store.app.connection_for_write() as connection:
        store.app.amqp.queues["celery"](connection.default_channel).declare()
    store.app.send_task("shop.total", args=[1])


def _size(store: Any, queue: str) -> int:
    name = f"{store.namespace.name}.{queue}"
    return int(store.probe.client.channel().queue_declare(name, passive=True).message_count)


def test_a_new_namespace_is_empty(store: Any) -> None:
    assert store.probe.stored() == []


def test_each_state_is_a_message_in_the_reply_queue(store: Any) -> None:
    _send(store, "t1", None, "STARTED")
    _send(store, "t1", 4)
    found = [(entry.task_id, entry.kind, entry.state, entry.key) for entry in store.probe.stored()]
    queue = store.app.thread_oid
    assert found == [("t1", "message", "STARTED", queue), ("t1", "message", "SUCCESS", queue)]
    found, listed = store.probe.held("t1"), store.probe.stored()[-1]
    assert found == Held(state=listed.state, raw=listed.raw)
    assert store.probe.held("unknown") is None


def test_what_was_looked_at_can_still_be_fetched_once(store: Any) -> None:
    _send(store, "t1", None, "STARTED")
    _send(store, "t1")
    assert len(store.probe.stored()) == 2
    with store.app.connection_for_write() as connection:
        binding = store.backend.binding(connection.default_channel)
        assert [binding.get(no_ack=True).payload["status"] for _ in range(2)] == ["STARTED", "SUCCESS"]
    assert store.probe.stored() == []


def test_bytes_are_read_as_they_are(open_store: Any) -> None:
    store = open_store("rpc", result_serializer="pickle", accept_content=["pickle", "json"])
    _send(store, "t1", {"a", "set"})
    (found,) = store.probe.stored()
    assert (found.state, found.raw[:1]) == ("SUCCESS", b"\x80")


def test_a_task_that_waits_is_no_result(store: Any) -> None:
    _send_task(store)
    assert _size(store, "celery") == 1
    assert store.probe.stored() == []


def test_emptying_removes_results_and_no_tasks(store: Any) -> None:
    _send_task(store)
    _send(store, "t1")
    store.probe.empty()
    assert store.probe.stored() == []
    assert _size(store, "celery") == 1


def test_one_tasks_messages_are_removed(store: Any) -> None:
    for task_id in ("t1", "t2", "t1"):
        _send(store, task_id)
    store.probe.remove("t1")
    assert [found.task_id for found in store.probe.stored()] == ["t2"]


def test_a_neighbour_keeps_its_messages(store: Any, open_store: Any) -> None:
    other = open_store("rpc")
    _send(store, "t0")
    _send(other, "t1")
    store.probe.drop()
    assert [found.task_id for found in other.probe.stored()] == ["t1"]


def test_a_result_expires_with_its_queue(open_store: Any) -> None:
    store = open_store("rpc", result_expires=60)
    _send(store, "t1")
    assert store.probe.stored()[0].expires_in == 60


def test_a_killed_runs_queues_last_an_hour_at_most(store: Any) -> None:
    _send(store, "t1")
    assert store.app.conf.result_expires.days == 1
    assert store.probe.stored()[0].expires_in == 3600


def test_why_no_copy_can_be_older(store: Any) -> None:
    with pytest.raises(NotImplementedError, match="a message has no age"):
        store.probe.aged_copy("t1", 10)


def test_names_are_sent_where_the_spec_says_that_results_can_be_extended(open_store: Any) -> None:
    store = open_store("rpc", result_extended=True)
    _send(store, "t1")
    has_name = b'"name"' in store.probe.stored()[0].raw
    assert has_name == bool(store.spec.verdict(Capability.EXTENDED))


def test_dropping_removes_queues_exchanges_and_the_index(store: Any) -> None:
    _send_task(store)
    _send(store, "t1")
    names = [f"{store.namespace.name}.celery", f"{store.namespace.name}.{store.app.thread_oid}", "pcb_index"]
    assert {name for name in names if _is_there(store.service.url, "queue", name)} == set(names)
    assert _is_there(store.service.url, "exchange", names[0])
    store.probe.drop()
    assert not any(_is_there(store.service.url, "queue", name) for name in names)
    assert not _is_there(store.service.url, "exchange", names[0])


def test_sweeping_removes_what_a_dead_run_noted_and_nothing_else(open_store: Any) -> None:
    dead, living = open_store("rpc", namespace="pcb_dead_1"), open_store("rpc", namespace="pcb_alive_1")
    for store in (dead, living):
        _send_task(store)
        _send(store, "t1")
    sweep(dead.service.url, "pcb_dead_")
    for name in ("pcb_dead_1.celery", f"pcb_dead_1.{dead.app.thread_oid}", "pcb_dead_index"):
        assert not _is_there(dead.service.url, "queue", name)
    assert not _is_there(dead.service.url, "exchange", "pcb_dead_1.celery")
    assert [found.task_id for found in living.probe.stored()] == ["t1"]
    assert _size(living, "celery") == 1


def test_sweeping_where_nothing_is(store: Any) -> None:
    sweep(store.service.url, "pcb_never_")


def _is_there(url: str, kind: str, name: str) -> bool:
    from amqp.exceptions import NotFound

    connection = connected(url, 5)
    channel = connection.channel()
    try:
        if kind == "queue":
            channel.queue_declare(name, passive=True)
        else:
            channel.exchange_declare(name, "direct", passive=True)
    except NotFound:
        return False
    else:
        return True
    finally:
        connection.close()


def test_the_server_says_what_it_is(store: Any) -> None:
    assert identify(store.service.url, 5) == store.service.identity
    assert store.service.identity.product == "RabbitMQ"
    assert store.service.identity.version[:1].isdigit()


def test_a_wrong_password_is_refused(store: Any) -> None:
    with pytest.raises(Refused, match="does not accept user and password"):
        identify(store.service.url.replace("celery:", "celery:not"), 5)


def test_a_virtual_host_that_is_not_there_is_refused(store: Any) -> None:
    with pytest.raises(Refused, match="no such virtual host"):
        identify(f"{store.service.url.rstrip('/')}/nowhere", 5)


def test_silence_may_pass() -> None:
    with pytest.raises(NotReady):
        identify("amqp://127.0.0.1:1//", 1)
