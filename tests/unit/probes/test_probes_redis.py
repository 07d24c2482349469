"""Redis: keys of every type, listeners, and what a server says when it does not let us in."""

from __future__ import annotations

import os
import socket
import uuid
from typing import Any

import pytest
from redis import Redis

from pytest_celery_backends.probes.redis import identify
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.sources import Identity
from pytest_celery_backends.spec import Namespace, NotReady, ProbeContext, Refused, Service

# Celery 5.7 calls what redis-py 8.1 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")


@pytest.fixture
def store(open_store: Any) -> Any:
    return open_store("redis", result_expires=3600)


def test_the_parts_of_a_chord_are_listed_under_its_group(store: Any) -> None:
    store.backend.set_chord_size("g1", 2)
    part = f"{store.namespace.name}:celery-taskset-meta-g1.j"
    store.probe.client.zadd(part, {"a": 1, "b": 2})
    found = [(entry.kind, entry.task_id, entry.raw) for entry in store.probe.stored()]
    assert sorted(found) == [("chord", "g1", b"2"), ("chord", "g1", b"a\nb")]


@pytest.mark.parametrize(
    ("command", "raw"),
    [
        (["RPUSH", "KEY", "b", "a"], b"b\na"),
        (["SADD", "KEY", "b", "a"], b"a\nb"),
        (["SET", "KEY", "text"], b"text"),
    ],
)
def test_what_celery_did_not_store_is_listed_as_other(store: Any, command: list[str], raw: bytes) -> None:
    store.probe.client.execute_command(*[f"{store.namespace.name}:x" if w == "KEY" else w for w in command])
    (found,) = store.probe.stored()
    assert (found.kind, found.raw, found.expires_in) == ("other", raw, None)


def test_a_type_without_plain_content_is_listed_too(store: Any) -> None:
    store.probe.client.hset(f"{store.namespace.name}:x", "field", "value")
    assert [found.kind for found in store.probe.stored()] == ["other"]


def test_a_result_that_cannot_be_decoded_hides_no_other(store: Any) -> None:
    store.keep()
    store.probe.client.set(f"{store.namespace.name}:celery-task-meta-broken", b"{")
    states = {found.task_id: found.state for found in store.probe.stored()}
    assert states["broken"].startswith("unreadable: ")
    assert len(states) == 2


def test_a_waiting_client_is_nothing_stored(store: Any) -> None:
    store.backend.result_consumer.consume_from("t1")
    assert store.probe.stored() == []


def test_the_servers_own_time_to_live_is_told(store: Any) -> None:
    task_id = store.keep()
    key = next(found.key for found in store.probe.stored())
    store.probe.client.pexpire(key, 5000)
    assert store.probe.stored()[0].expires_in == pytest.approx(5, abs=1)
    store.probe.client.persist(key)
    assert (store.probe.stored()[0].task_id, store.probe.stored()[0].expires_in) == (task_id, None)


def test_a_namespace_is_no_pattern(get_service: Any) -> None:
    name = f"pcb[a-z]*?{uuid.uuid4().hex}"
    context = ProbeContext(
        service=get_service("redis"), namespace=Namespace(name=name), decode=lambda raw: {}, lifetime=None
    )
    probe = Registry().get("redis").probe(context)
    foreign = name.replace("[a-z]*?", "axx")
    probe.client.mset({f"{name}:own": 1, f"{foreign}:x": 1})
    probe.empty()
    assert probe.client.exists(f"{foreign}:x") == 1
    assert probe.client.delete(f"{foreign}:x", f"{name}:own") == 1


def test_a_cut_connection_is_made_again(store: Any) -> None:
    store.keep()
    with Redis.from_url(store.service.url) as other:
        for client in other.client_list():
            if int(client["id"]) != other.client_id():
                other.client_kill_filter(_id=client["id"])
    assert [found.state for found in store.probe.stored()] == ["SUCCESS"]


def test_keys_of_others_on_a_server_that_is_there_already_stay(open_store: Any) -> None:
    url = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
    spec = Registry().get("redis")
    try:
        service = Service(backend="redis", provider="external", url=url, identity=spec.identify(url, 1))
    except (NotReady, Refused) as reason:
        pytest.skip(f"no server at {url}: {reason}")
    prefix = f"pcb-{uuid.uuid4().hex}"
    with Redis.from_url(url) as other:
        other.set(f"{prefix}-foreign", "stays", ex=60)
        store = open_store("redis", service=service, namespace=prefix)
        store.keep()
        store.probe.drop()
        assert list(other.scan_iter(f"{prefix}*")) == [f"{prefix}-foreign".encode()]
        other.delete(f"{prefix}-foreign")


def test_a_server_says_what_it_is(get_service: Any) -> None:
    service = get_service("redis")
    identity = identify(service.url, 5)
    assert identity.product in ("Redis", "Valkey")
    assert identity.version[0].isdecimal()


def test_valkey_is_not_called_redis() -> None:
    from pytest_celery_backends.probes.redis import _identity

    info = {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "9.1.2"}
    assert _identity(info) == Identity(product="Valkey", version="9.1.2")


def test_a_port_on_which_nobody_listens_is_not_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NotReady, match="refused"):
            identify(f"redis://127.0.0.1:{taken.getsockname()[1]}/0", 1)


def test_a_server_that_is_loading_is_not_ready(answering: Any) -> None:
    with pytest.raises(NotReady, match="loading"):
        identify(answering(b"-LOADING Redis is loading the dataset in memory\r\n"), 1)


@pytest.mark.parametrize("userinfo", ["", ":wrong@", "nobody:wrong@"])
def test_a_wrong_or_missing_password_is_refused(get_service: Any, userinfo: str) -> None:
    server = get_service("redis").url.rpartition("@")[2]
    with pytest.raises(Refused, match=r"does not accept user and password"):
        identify(f"redis://{userinfo}{server}", 5)


def test_an_unknown_database_is_refused_with_one_that_exists(get_service: Any) -> None:
    url = get_service("redis").url
    with pytest.raises(Refused, match="no such database") as caught:
        identify(f"{url}99", 5)
    assert caught.value.remedy.startswith("--celery-backends-url=redis=redis://:***@")
    assert caught.value.remedy.endswith("/0")
