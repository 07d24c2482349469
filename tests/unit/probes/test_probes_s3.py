"""S3: a namespace in somebody's bucket and in one of its own, and what others keep beside it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from pytest_celery_backends.probes.aws import connected
from pytest_celery_backends.probes.s3 import identify, sweep
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.sources import Identity
from pytest_celery_backends.spec import Namespace, NotReady, Refused, Service

BUCKET = "somebody-else"


def _service(url: str) -> Service:
    return Service(backend="s3", provider="external", url=url, identity=Identity(product="x", version="1"))


@pytest.fixture
def foreign(get_service: Any) -> Iterator[Any]:
    """Gives the keys in the bucket of somebody else, who keeps one object there."""
    client = connected("s3", get_service("s3").url)
    client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key="orders", Body=b"stays")
    yield lambda: [entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET)["Contents"]]
    client.delete_object(Bucket=BUCKET, Key="orders")
    client.delete_bucket(Bucket=BUCKET)
    client.close()


@pytest.fixture(params=["a base path", "a bucket"])
def store(request: pytest.FixtureRequest, get_service: Any, foreign: Any, open_store: Any) -> Any:
    url = get_service("s3").url
    return open_store("s3", service=_service(f"{url}/{BUCKET}" if "path" in request.param else url))


def test_moto_is_called_moto_in_the_version_of_its_image(get_service: Any) -> None:
    service = get_service("s3")
    assert identify(service.url, 5) == Identity(product="Moto", version="")
    assert (service.identity.product, service.identity.version[:2]) == ("Moto", "5.")


def test_a_result_is_found_under_celerys_key(store: Any) -> None:
    task_id = store.keep()
    assert [found.key for found in store.probe.stored()] == [f"celery-task-meta-{task_id}"]


def test_dropping_leaves_what_others_have(store: Any, foreign: Any) -> None:
    store.keep()
    store.probe.drop()
    assert foreign() == ["orders"]
    buckets = store.probe.client.list_buckets()["Buckets"]
    assert [each["Name"] for each in buckets if each["Name"].startswith("pcb-")] == []


def test_sweeping_takes_the_prefix_and_nothing_else(store: Any, foreign: Any) -> None:
    store.keep()
    sweep(store.service.url, store.namespace.name)
    assert store.probe.stored() == []
    assert foreign() == ["orders"]


def test_more_objects_than_one_request_deletes(
    store: Any, foreign: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_celery_backends.probes.s3._MOST", 2)
    kept = sorted(store.keep() for _ in range(5))
    assert store.ids() == kept
    store.probe.empty()
    assert store.probe.stored() == []
    assert foreign() == ["orders"]


def test_a_bucket_that_is_not_there_is_refused(get_service: Any) -> None:
    with pytest.raises(Refused, match="NoSuchBucket"):
        identify(f"{get_service('s3').url}/nobodys", 5)


def test_a_port_on_which_nobody_listens_is_not_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NotReady, match="Could not connect"):
            identify(f"s3://k:s@127.0.0.1:{taken.getsockname()[1]}", 1)


def test_another_server_is_called_what_it_says_in_its_header(answering: Any) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 25\r\nServer: MinIO\r\n\r\n<ListAllMyBucketsResult/>"
    url = answering(answer).removeprefix("redis://").removesuffix("/0")
    assert identify(f"s3://k:s@{url}", 2) == Identity(product="MinIO", version="")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://k:s%2F@eu-west-1/b", (None, "eu-west-1", "k", "s/", "b", "pcb_1/")),
        ("s3+https://minio.example/b", ("https://minio.example", "us-east-1", None, None, "b", "pcb_1/")),
        ("s3://k:s@127.0.0.1:5000", ("http://127.0.0.1:5000", "us-east-1", "k", "s", "pcb-1", None)),
    ],
)
def test_celery_is_led_to_the_namespace(url: str, expected: tuple[str | None, ...]) -> None:
    app = Celery("tests", set_as_current=False)
    app.conf.update(
        s3_endpoint_url="https://production.example", s3_access_key_id="theirs", s3_base_path="orders/"
    )
    app.conf.update(Registry().get("s3").settings(_service(url), Namespace(name="pcb_1")))
    names = ("endpoint_url", "region", "access_key_id", "secret_access_key", "bucket", "base_path")
    assert tuple(app.conf[f"s3_{name}"] for name in names) == expected
