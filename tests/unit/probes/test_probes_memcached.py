"""Memcached: keys that only its crawler lists, and what others keep on the same server."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from pytest_celery_backends.errors import Unavailable
from pytest_celery_backends.probes.memcached import connected, identify, listed, sweep
from pytest_celery_backends.spec import NotReady, Refused


@pytest.fixture
def store(open_store: Any) -> Any:
    return open_store("memcached", result_expires=3600)


@pytest.fixture
def foreign(store: Any) -> Any:
    """A client of somebody else, who keeps one key on the same server."""
    client = connected(store.service.url, 5)
    client.set("somebody-else", b"stays")
    yield client
    client.delete("somebody-else")
    client.close()


def test_a_server_says_what_it_is(get_service: Any) -> None:
    identity = identify(get_service("memcached").url, 5)
    assert identity.product == "Memcached"
    assert identity.version[0].isdecimal()


def test_dropping_leaves_the_keys_of_others(store: Any, foreign: Any) -> None:
    store.keep()
    store.probe.drop()
    assert foreign.get("somebody-else") == b"stays"


def test_sweeping_takes_the_prefix_and_nothing_else(store: Any, foreign: Any) -> None:
    store.keep()
    sweep(store.service.url, store.namespace.name)
    assert store.probe.stored() == []
    assert foreign.get("somebody-else") == b"stays"


def test_many_keys_are_all_listed(store: Any) -> None:
    kept = sorted(store.keep() for _ in range(500))
    assert store.ids() == kept


def test_a_result_of_just_now_is_listed_at_once(store: Any) -> None:
    for _ in range(50):
        assert store.keep() in store.ids()


def test_the_counter_of_a_chord_is_listed_under_its_group(store: Any) -> None:
    store.probe.client.set(f"{store.namespace.name}:chord-unlock-g1", b"2")
    (found,) = store.probe.stored()
    assert (found.kind, found.task_id, found.raw) == ("chord", "g1", b"2")


def test_a_key_that_lives_for_ever_is_told_as_such(open_store: Any) -> None:
    store = open_store("memcached", result_expires=0)  # None is nothing to Celery's client before 5.7
    store.keep()
    assert store.probe.stored()[0].expires_in is None


def test_a_prefix_in_the_users_client_options_does_not_hide_results(store: Any) -> None:
    assert store.app.conf.cache_backend_options == {}


def test_a_port_on_which_nobody_listens_is_not_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NotReady, match="refused"):
            identify(f"memcached://127.0.0.1:{taken.getsockname()[1]}", 1)


def test_another_server_is_refused(answering: Any) -> None:
    url = answering(b"-ERR unknown command\r\n").replace("redis", "memcached")
    with pytest.raises(Refused, match="this is no Memcached"):
        identify(url, 1)


def test_a_server_without_crawler_is_told_as_such(answering: Any) -> None:
    url = answering(b"ERROR lru crawler disabled\r\n").replace("redis", "memcached")
    with pytest.raises(Unavailable, match="does not list its keys"):
        listed(url, "pcb")
