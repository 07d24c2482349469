"""ArangoDB: a collection for each namespace, in the database that the URL names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ..capabilities import Capability, no
from ..celery_release import limits, since
from ..probes.arangodb import database_of, identify, probe, sweep
from ..sources import Container, External
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.http import watching


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    path = f"/{database_of(service.url)}/{namespace.name}"
    return {
        "result_backend": urlunsplit(urlsplit(service.url)._replace(path=path)),
        "result_backend_transport_options": {"global_keyprefix": ""},
        # The user's own server has no say in where a test's results go.
        "arangodb_backend_settings": None,
    }


SPEC: Final = BackendSpec(
    name="arangodb",
    title="ArangoDB",
    scheme="arangodb",
    sources=(
        External(schemes=("arangodb",), example="arangodb://USER:PASSWORD@localhost:8529/DATABASE"),
        Container(
            image="arangodb",
            tag="3.12",
            port=8529,
            url=lambda place: f"arangodb://root:{place.password}@{place.host}:{place.port}/_system",
            environment=lambda place: {"ARANGO_ROOT_PASSWORD": place.password},
        ),
    ),
    identify=identify,
    settings=_settings,
    probe=probe,
    traffic=watching,
    sweep=sweep,
    drivers=(Driver(module="pyArango", distribution="pyArango"),),
    extra="arangodb",
    client_command=lambda url: f"curl {url.replace('arangodb', 'http', 1).rpartition('/')[0]}/_api/version",
    not_verified="no image or package of ArangoDB could be had where these tests run",
    limits=limits(
        {
            Capability.BATCH: no("Celery joins results on ArangoDB one by one"),
            Capability.COMPRESSION: no("Celery compresses no results in ArangoDB"),
            Capability.EXPIRY: no(
                "celery.backend_cleanup looks for a time inside what Celery stores as text, where there is none"
            ),
            Capability.FORGET_ABSENT: since(
                (5, 7), "forget() raises before 5.7 where nothing is stored", "celery#10701"
            ),
            Capability.SERIALIZERS: no("results stand in JSON: only serializers that give text can be used"),
        }
    ),
)
