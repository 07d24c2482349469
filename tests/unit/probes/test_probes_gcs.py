"""Cloud Storage: the probe on an emulator, which Celery itself can use up to 5.4 only."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from pytest_celery_backends.backends.gcs import CONTAINER, SPEC
from pytest_celery_backends.celery_release import celery_release
from pytest_celery_backends.decoding import decoder
from pytest_celery_backends.probes.gcs import connected, identify, probe, reached, sweep
from pytest_celery_backends.providers import make_provider
from pytest_celery_backends.providers.run_directory import RunDirectory
from pytest_celery_backends.sources import Identity
from pytest_celery_backends.spec import Held, Namespace, NotReady, ProbeContext, Refused, Service

pytest.importorskip("google.cloud.storage")

TASK = "celery-task-meta-t1"
META = json.dumps({"status": "SUCCESS", "result": 4}).encode()


@pytest.fixture(scope="module")
def emulator() -> Iterator[Service]:
    """The emulator in a container, started whatever Celery's release."""
    spec = replace(SPEC, sources=(CONTAINER,), identify=reached)
    run = RunDirectory()
    provider = make_provider("container", run, {}, False)
    if not (found := provider.check(spec, "")).works:
        pytest.fail(found.reason) if "CI" in os.environ else pytest.skip(found.reason)
    service = provider.start(spec, "", 60)
    yield service
    provider.stop(service)
    run.close()


@pytest.fixture
def bucket(emulator: Service) -> Iterator[Any]:
    """The emulator's bucket, with a blob of somebody else's."""
    with connected(emulator.url) as client:
        bucket = client.bucket("celery")
        bucket.blob("orders").upload_from_string(b"stays")
        yield bucket
        for blob in client.list_blobs("celery"):
            blob.delete()


def _probe(service: Service, namespace: str = "pcb_1") -> Any:
    return probe(
        ProbeContext(
            service=service, namespace=Namespace(name=namespace), decode=decoder("json"), lifetime=None
        )
    )


def _names(bucket: Any) -> list[str]:
    return sorted(blob.name for blob in bucket.list_blobs())


def test_an_emulator_is_not_called_google(emulator: Service) -> None:
    assert emulator.identity == Identity(product="gcp-storage-emulator", version="")


def test_a_namespace_is_a_path(emulator: Service, bucket: Any) -> None:
    bucket.blob(f"pcb_1/{TASK}").upload_from_string(META)
    bucket.blob(f"pcb_10/{TASK}").upload_from_string(META)
    ours = _probe(emulator)
    (found,) = ours.stored()
    assert (found.task_id, found.kind, found.state, found.raw) == ("t1", "task", "SUCCESS", META)
    assert found.expires_in is None
    assert ours.held("t1") == Held(state="SUCCESS", raw=META)
    assert ours.held("unknown") is None
    ours.remove("unknown")
    ours.remove("t1")
    assert _names(bucket) == ["orders", f"pcb_10/{TASK}"]


def test_dropping_and_sweeping_leave_what_others_have(emulator: Service, bucket: Any) -> None:
    for name in ("pcb_1", "pcb_2_x", "pcb_2_y", "pcb_20"):
        bucket.blob(f"{name}/{TASK}").upload_from_string(META)
    ours = _probe(emulator)
    ours.drop()
    ours.drop()
    sweep(emulator.url, "pcb_2_")
    assert _names(bucket) == ["orders", f"pcb_20/{TASK}"]


def test_a_path_in_the_url_is_kept(emulator: Service, bucket: Any) -> None:
    below = replace(emulator, url=emulator.url.replace("gs://celery?", "gs://celery/shop/results?"))
    path = SPEC.settings(below, Namespace(name="pcb_1"))["gcs_base_path"]
    bucket.blob(f"{path}/{TASK}").upload_from_string(META)
    assert [found.key for found in _probe(below).stored()] == [TASK]
    assert _probe(emulator).stored() == []
    sweep(below.url, "pcb_")
    assert _names(bucket) == ["orders"]


def test_the_time_at_which_a_blob_may_go_is_told(emulator: Service, bucket: Any) -> None:
    blob = bucket.blob(f"pcb_1/{TASK}")
    blob.custom_time = datetime.now(timezone.utc) + timedelta(seconds=3600)
    blob.upload_from_string(META)
    assert _probe(emulator).stored()[0].expires_in == pytest.approx(3600, abs=60)


@pytest.mark.skipif(celery_release() >= (5, 5), reason="Celery asks Firestore, which is not here")
def test_celery_stores_where_the_probe_reads(emulator: Service, bucket: Any) -> None:
    from celery import Celery

    app = Celery("tests", set_as_current=False)
    app.conf.update(SPEC.settings(emulator, Namespace(name="pcb_1")))
    SPEC.adapt(app.backend, "client")
    app.backend.store_result("t1", 4, "SUCCESS")
    (found,) = _probe(emulator).stored()
    assert (found.task_id, found.state) == ("t1", "SUCCESS")
    app.AsyncResult("t1").forget()
    app.AsyncResult("t1").forget()
    assert _names(bucket) == ["orders"]
    app.backend.client.close()


@pytest.mark.skipif(celery_release() < (5, 5), reason="Celery does not ask Firestore yet")
def test_an_emulator_is_refused_where_celery_asks_firestore(emulator: Service) -> None:
    with pytest.raises(Refused, match="Firestore"):
        identify(emulator.url, 5)
    assert SPEC.source("container") is None


def test_a_bucket_that_is_not_there_is_named(emulator: Service) -> None:
    with pytest.raises(Refused, match="no bucket 'other'") as refused:
        reached(emulator.url.replace("gs://celery", "gs://other"), 5)
    assert refused.value.remedy == "gcloud storage buckets create gs://other"


@pytest.mark.parametrize("url", ["gs://bucket", "gs://?gcs_project=p"])
def test_a_url_without_bucket_or_project_is_refused(url: str) -> None:
    with pytest.raises(Refused, match="no bucket or no project"):
        identify(url, 1)


def test_a_port_on_which_nobody_listens_is_not_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(NotReady, match="refused"):
            reached(f"gs://celery?gcs_project=p&storage_emulator_host={host}", 1)


def test_who_has_no_credentials_is_told_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(Refused) as refused:
        reached("gs://celery?gcs_project=p", 1)
    assert refused.value.remedy == "gcloud auth application-default login"
