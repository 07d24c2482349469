"""DynamoDB: what others keep beside a namespace's table, who answers, and what Celery is told."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from pytest_celery_backends.probes.aws import connected
from pytest_celery_backends.probes.dynamodb import identify, sweep
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.sources import Identity
from pytest_celery_backends.spec import Namespace, NotReady, Refused, Service


@pytest.fixture
def store(open_store: Any) -> Any:
    return open_store("dynamodb")


@pytest.fixture
def foreign(store: Any) -> Iterator[Any]:
    """Says whether a table of somebody else on the same server is still there."""
    client = connected("dynamodb", store.service.url)
    client.create_table(
        TableName="somebody-else",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield lambda: "somebody-else" in client.list_tables()["TableNames"]
    client.delete_table(TableName="somebody-else")
    client.close()


def _service(url: str) -> Service:
    identity = Identity(product="x", version="1")
    return Service(backend="dynamodb", provider="external", url=url, identity=identity)


def test_moto_is_called_moto_in_the_version_of_its_image(get_service: Any) -> None:
    service = get_service("dynamodb")
    assert identify(service.url, 5) == Identity(product="Moto", version="")
    assert (service.identity.product, service.identity.version[:2]) == ("Moto", "5.")


def test_dropping_leaves_the_tables_of_others(store: Any, foreign: Any) -> None:
    store.keep()
    store.probe.drop()
    assert foreign()
    assert store.namespace.name not in store.probe.client.list_tables()["TableNames"]


def test_sweeping_takes_the_prefix_and_nothing_else(store: Any, foreign: Any) -> None:
    store.keep()
    sweep(store.service.url, store.namespace.name)
    assert store.probe.stored() == []
    assert foreign()


def test_the_count_of_a_chord_is_listed_under_its_group(store: Any) -> None:
    key = store.backend.get_key_for_chord("g1")
    store.backend.client.put_item(**store.backend._prepare_init_count_request(str(key)))
    store.backend.incr(key)
    (found,) = store.probe.stored()
    assert (found.kind, found.task_id, found.raw) == ("chord", "g1", b"1")


def test_seconds_in_the_url_are_a_time_to_live(get_service: Any, open_store: Any) -> None:
    service = _service(f"{get_service('dynamodb').url}/?ttl_seconds=600")
    store = open_store("dynamodb", service=service)
    store.keep()
    assert store.probe.stored()[0].expires_in == pytest.approx(600, abs=10)


def test_what_is_no_url_of_aws_is_refused() -> None:
    with pytest.raises(Refused):
        identify("dynamodb://KEY:SECRET@no%20region", 1)


def test_a_port_on_which_nobody_listens_is_not_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NotReady, match="Could not connect"):
            identify(f"dynamodb://k:s@127.0.0.1:{taken.getsockname()[1]}", 1)


@pytest.mark.parametrize(
    ("url", "result_backend", "endpoint"),
    [
        ("dynamodb://k:s%2F@eu-west-1/t", "dynamodb://k:s%2F@eu-west-1/pcb1", None),
        ("dynamodb://k:s@emulator:5000", "dynamodb://k:s@us-east-1/pcb1", "http://emulator:5000"),
    ],
)
def test_celery_is_led_to_the_namespaces_table(url: str, result_backend: str, endpoint: str | None) -> None:
    app = Celery("tests", set_as_current=False)
    app.conf.dynamodb_endpoint_url = "https://production.example"
    app.conf.update(Registry().get("dynamodb").settings(_service(url), Namespace(name="pcb1")))
    assert app.conf.result_backend == result_backend
    assert app.conf.get("dynamodb_endpoint_url") == endpoint
