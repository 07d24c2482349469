"""MongoDB: what others keep on the same server, whom it refuses, and what Celery leads where."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from celery import Celery

from pytest_celery_backends.probes.mongodb import connected, identify, sweep
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.sources import Identity
from pytest_celery_backends.spec import Namespace, NotReady, Refused, Service


@pytest.fixture
def store(open_store: Any) -> Any:
    return open_store("mongodb", result_expires=3600)


@pytest.fixture
def foreign(store: Any) -> Iterator[Any]:
    """A database of somebody else on the same server, with one document."""
    with connected(store.service.url, 5) as client:
        database = client["somebody_else"]
        database.orders.insert_one({"_id": 1})
        yield database
        client.drop_database("somebody_else")


def test_a_server_says_what_it_is(get_service: Any) -> None:
    service = get_service("mongodb")
    identity = identify(service.url, 5)
    assert identity == service.identity
    with connected(service.url, 5) as client:
        # An emulator also says which MongoDB it stands for: that is not what it is.
        is_emulator = "secantusVersion" in client.admin.command("buildInfo")
    assert identity.product == ("SecantusDB" if is_emulator else "MongoDB")
    assert identity.version[0].isdecimal()


def test_dropping_leaves_the_databases_of_others(store: Any, foreign: Any) -> None:
    store.keep()
    store.probe.drop()
    assert foreign.orders.count_documents({}) == 1
    assert store.namespace.name not in foreign.client.list_database_names()


def test_sweeping_takes_the_prefix_and_nothing_else(store: Any, foreign: Any) -> None:
    store.keep()
    sweep(store.service.url, store.namespace.name)
    assert store.probe.stored() == []
    assert foreign.orders.count_documents({}) == 1


def test_collections_of_other_names_are_listed(open_store: Any) -> None:
    store = open_store("mongodb", mongodb_backend_settings={"taskmeta_collection": "results"})
    task_id = store.keep()
    assert [found.key for found in store.probe.stored()] == [f"results/{task_id}"]


def test_a_saved_group_comes_back_as_a_list(store: Any) -> None:
    # The limit that the spec declares: elsewhere this is a GroupResult.
    member = store.app.AsyncResult(store.keep())
    store.app.GroupResult("g1", [member]).save(backend=store.backend)
    assert store.app.GroupResult.restore("g1", backend=store.backend) == [member]


def test_what_is_removed_is_a_task_and_no_group_of_that_name(store: Any) -> None:
    store.app.GroupResult("g1", []).save(backend=store.backend)
    store.probe.remove("g1")
    assert [found.kind for found in store.probe.stored()] == ["group"]


@pytest.mark.parametrize("login", ["", "celery:wrong@"])
def test_who_has_no_password_is_refused(login: str, get_service: Any) -> None:
    parts = urlsplit(get_service("mongodb").url)
    url = urlunsplit(parts._replace(netloc=f"{login}{parts.hostname}:{parts.port}"))
    with pytest.raises(Refused, match="does not accept user and password"):
        identify(url, 5)


def test_a_url_that_nobody_can_read_is_refused() -> None:
    with pytest.raises(Refused):
        identify("mongodb://h1:port/", 1)


def test_a_port_on_which_nobody_listens_is_not_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NotReady, match="refused"):
            identify(f"mongodb://127.0.0.1:{taken.getsockname()[1]}", 0.5)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mongodb://u:p%40@h:1/?authSource=admin", "mongodb://u:p%40@h:1/pcb1?authSource=admin"),
        ("mongodb://u:p@h:1,i:2/shop?replicaSet=r", "mongodb://u:p@h:1,i:2/pcb1?replicaSet=r"),
        ("mongodb+srv://u:p@cluster.example", "mongodb+srv://u:p@cluster.example/pcb1"),
    ],
)
def test_celery_is_led_into_the_namespaces_database(url: str, expected: str) -> None:
    service = Service(
        backend="mongodb", provider="external", url=url, identity=Identity(product="x", version="1")
    )
    settings = Registry().get("mongodb").settings(service, Namespace(name="pcb1"))
    assert settings["result_backend"] == expected


def test_the_users_own_mongodb_settings_do_not_reach_the_tests_server() -> None:
    service = Service(
        backend="mongodb",
        provider="external",
        url="mongodb://u:right@h:1/shop",
        identity=Identity(product="x", version="1"),
    )
    app = Celery("tests", set_as_current=False)
    app.conf.mongodb_backend_settings = {"host": "production", "database": "orders", "password": "secret"}
    app.conf.update(Registry().get("mongodb").settings(service, Namespace(name="pcb1")))
    backend = app.backend
    assert (backend.mongo_host, backend.database_name, backend.password) == (["h:1"], "pcb1", "right")
