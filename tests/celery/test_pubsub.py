"""A client hears of every result, also where the server reads its SUBSCRIBE last."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from pytest_celery_backends import ResultBackend
from pytest_celery_backends.polling import wait_until
from pytest_celery_backends.pubsub import _confirmed, mend_pubsub
from pytest_celery_backends.releases import backend_steps, run_within

pytestmark = pytest.mark.backends("redis")

DELAY = 0.1


def _forward(source: socket.socket, target: socket.socket, delay: Callable[[bytes], float]) -> None:
    with suppress(OSError):  # either end may hang up at any time
        while data := source.recv(65536):
            time.sleep(delay(data))
            target.sendall(data)
    target.close()


@pytest.fixture
def slow_to_subscribe(result_backend: ResultBackend) -> Iterator[Any]:
    """A client whose SUBSCRIBE reaches the server late, as through a proxy that is busy."""
    given = result_backend.client.connection_pool.connection_kwargs
    links: list[socket.socket] = []

    def serve(listener: socket.socket) -> None:
        client, _ = listener.accept()
        server = socket.create_connection((given["host"], given["port"]))
        links.extend([client, server])
        late = (client, server, lambda data: DELAY if b"SUBSCRIBE" in data else 0.0)
        threading.Thread(target=_forward, args=late, daemon=True).start()
        threading.Thread(target=_forward, args=(server, client, lambda data: 0.0), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        login = {name: given[name] for name in ("username", "password") if given.get(name)}
        with Redis(host="127.0.0.1", port=listener.getsockname()[1], **login) as client:
            yield client
    for link in links:
        link.close()


def test_celery_alone_would_not_hear_of_it(slow_to_subscribe: Any, result_backend: ResultBackend) -> None:
    with slow_to_subscribe.pubsub() as pubsub:
        pubsub.subscribe("done")
        assert result_backend.client.publish("done", "4") == 0


def test_a_subscription_is_there_when_the_call_returns(
    slow_to_subscribe: Any, result_backend: ResultBackend
) -> None:
    with _confirmed(slow_to_subscribe.pubsub, deque()) as pubsub:
        pubsub.subscribe("done")
        assert result_backend.client.publish("done", "4") == 1


def test_what_comes_meanwhile_is_kept(slow_to_subscribe: Any, result_backend: ResultBackend) -> None:
    early: deque[Any] = deque()
    with _confirmed(slow_to_subscribe.pubsub, early, ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("first")
        result_backend.client.publish("first", "1")
        pubsub.subscribe("second", "third")
        result_backend.client.publish("second", "2")
        got = [*early, pubsub.get_message(timeout=5)]
    assert [(one["type"], one["data"]) for one in got] == [("message", b"1"), ("message", b"2")]


def pubsub_of(backend: Any, task_id: str) -> Any:
    """The connection on which a backend hears of results, once it has subscribed to one."""
    backend.result_consumer.consume_from(task_id)
    return backend.result_consumer._pubsub


@pytest.fixture
def fresh_backend(result_app: Celery) -> Iterator[Any]:
    """A backend to whose connection the server has nothing more to say of earlier tests."""
    backend = type(result_app.backend)(app=result_app, url=result_app.conf.result_backend)
    mend_pubsub(backend, "client")
    yield backend
    run_within(5, backend_steps(backend), remedy="")


def test_a_state_that_comes_while_another_result_is_subscribed_to_is_told(fresh_backend: Any) -> None:
    """Told at once, and not with the next message."""
    consumer, pubsub = fresh_backend.result_consumer, pubsub_of(fresh_backend, "first")
    told: list[Any] = []
    subscribe = pubsub.subscribe

    def subscribe_late(*channels: Any) -> None:
        fresh_backend.store_result("first", 1, "PROGRESS")
        subscribe(*channels)

    pubsub.subscribe = subscribe_late
    consumer.consume_from("second")
    consumer.on_message = told.append
    consumer.drain_events(timeout=5)
    assert [(meta["task_id"], meta["status"]) for meta in told] == [("first", "PROGRESS")]


# -- threads that share a connection


def subscribed(result_backend: ResultBackend, task_id: str) -> bool:
    """Whether the server would tell somebody of a task."""
    return bool(result_backend.client.pubsub_channels(f"*-{task_id}"))


def test_a_thread_that_drops_a_result_does_not_disturb_one_that_subscribes(
    result_app: Celery, result_backend: ResultBackend
) -> None:
    """The garbage collector runs ``AsyncResult.__del__``, which unsubscribes, in any thread."""
    consumer, pubsub = result_app.backend.result_consumer, pubsub_of(result_app.backend, "dropped")
    is_subscribing, may_go_on = threading.Event(), threading.Event()
    subscribe, unsubscribe = pubsub.subscribe, pubsub.unsubscribe
    done: list[str] = []

    def subscribe_slowly(*channels: Any) -> None:
        is_subscribing.set()
        assert may_go_on.wait(5)
        subscribe(*channels)
        done.append("subscribed")

    def unsubscribe_noted(*channels: Any) -> None:
        done.append("unsubscribed")
        unsubscribe(*channels)

    pubsub.subscribe, pubsub.unsubscribe = subscribe_slowly, unsubscribe_noted
    thread = threading.Thread(target=consumer.consume_from, args=("wanted",))
    thread.start()
    assert is_subscribing.wait(5)
    consumer.cancel_for("dropped")
    done_meanwhile = list(done)
    may_go_on.set()
    thread.join(5)
    assert (done_meanwhile, done) == ([], ["subscribed", "unsubscribed"])
    assert wait_until(lambda: not subscribed(result_backend, "dropped"), 5)
    assert subscribed(result_backend, "wanted")


def test_what_is_asked_for_again_stays_subscribed_to(
    result_app: Celery, result_backend: ResultBackend
) -> None:
    consumer, pubsub = result_app.backend.result_consumer, pubsub_of(result_app.backend, "again")
    subscribe = pubsub.subscribe

    def drop_meanwhile(*channels: Any) -> None:
        subscribe(*channels)
        consumer.cancel_for("again")  # as the collector may
        consumer.consume_from("again")

    pubsub.subscribe = drop_meanwhile
    consumer.consume_from("another")
    assert subscribed(result_backend, "again")


def test_a_thread_that_waits_lets_another_subscribe(fresh_backend: Any) -> None:
    consumer, pubsub = fresh_backend.result_consumer, pubsub_of(fresh_backend, "never")
    subscribe = pubsub.subscribe
    is_waiting = threading.Event()
    done: list[str] = []

    def subscribe_noted(*channels: Any) -> None:
        done.append("subscribing")
        subscribe(*channels)

    def wait() -> None:
        is_waiting.set()
        consumer.drain_events(timeout=1)
        done.append("waited")

    pubsub.subscribe = subscribe_noted
    waiting = threading.Thread(target=wait)
    waiting.start()
    assert is_waiting.wait(5)
    consumer.consume_from("meanwhile")
    waiting.join(5)
    assert done == ["subscribing", "waited"]
