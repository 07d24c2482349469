"""Couchbase: a key prefix for each namespace, in the bucket that the URL names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ..capabilities import Capability, no
from ..celery_release import limits, since
from ..probes.couchbase import bucket_of, identify, probe, sweep
from ..sources import External
from ..spec import BackendSpec, Driver, Namespace, Service


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    return {
        "result_backend": urlunsplit(urlsplit(service.url)._replace(path=f"/{bucket_of(service.url)}")),
        "result_backend_transport_options": {"global_keyprefix": f"{namespace.name}:"},
        # The user's own server has no say in where a test's results go.
        "couchbase_backend_settings": None,
    }


SPEC: Final = BackendSpec(
    name="couchbase",
    title="Couchbase",
    scheme="couchbase",
    sources=(External(schemes=("couchbase",), example="couchbase://USER:PASSWORD@localhost/BUCKET"),),
    identify=identify,
    settings=_settings,
    probe=probe,
    sweep=sweep,
    drivers=(Driver(module="couchbase", distribution="couchbase"),),
    extra="couchbase",
    not_verified=(
        "no Couchbase could be had where these tests run; couchbase 4.1 to 4.6 refuses how Celery 5.7 logs in "
        "('Authenticator is mandatory'), and couchbase 3 does not build on Python 3.11; no container, for a cluster "
        "tells its clients the ports of all its services, and other ports outside do not fit"
    ),
    limits=limits(
        {
            Capability.BATCH: no("Celery joins results on Couchbase one by one"),
            Capability.COMPRESSION: no("Celery compresses no results in Couchbase"),
            Capability.FORGET_ABSENT: since(
                (5, 7), "forget() raises before 5.7 where nothing is stored", "celery#10680"
            ),
            Capability.TIME_TRAVEL: no("Couchbase counts a document's time to live itself"),
        }
    ),
)
