"""A client hears of every result, also where the server reads its SUBSCRIBE last."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from redis import Redis

from pytest_celery_backends import ResultBackend
from pytest_celery_backends.pubsub import _confirmed

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
    with _confirmed(slow_to_subscribe.pubsub) as pubsub:
        pubsub.subscribe("done")
        assert result_backend.client.publish("done", "4") == 1


def test_what_comes_meanwhile_is_kept(slow_to_subscribe: Any, result_backend: ResultBackend) -> None:
    with _confirmed(slow_to_subscribe.pubsub, ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("first")
        result_backend.client.publish("first", "1")
        pubsub.subscribe("second", "third")
        result_backend.client.publish("second", "2")
        got: list[Any] = [pubsub.get_message(timeout=5), pubsub.get_message(timeout=5)]
    assert [(one["type"], one["data"]) for one in got] == [("message", b"1"), ("message", b"2")]
