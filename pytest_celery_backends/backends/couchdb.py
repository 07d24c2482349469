"""CouchDB: a database for each namespace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ..capabilities import Capability, no
from ..celery_release import limits, since
from ..probes.couchdb import identify, probe, sweep
from ..sources import Container, External
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.http import watching

_USER: Final = "celery"


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    url = urlunsplit(urlsplit(service.url)._replace(path=f"/{namespace.name}"))
    return {"result_backend": url, "result_backend_transport_options": {"global_keyprefix": ""}}


SPEC: Final = BackendSpec(
    name="couchdb",
    title="CouchDB",
    scheme="couchdb",
    sources=(
        External(schemes=("couchdb",), example="couchdb://USER:PASSWORD@localhost:5984"),
        Container(
            image="couchdb",
            tag="3.5",
            port=5984,
            url=lambda place: f"couchdb://{_USER}:{place.password}@{place.host}:{place.port}",
            environment=lambda place: {"COUCHDB_USER": _USER, "COUCHDB_PASSWORD": place.password},
        ),
    ),
    identify=identify,
    settings=_settings,
    probe=probe,
    traffic=watching,
    sweep=sweep,
    drivers=(Driver(module="pycouchdb", distribution="pycouchdb"),),
    extra="couchdb",
    client_command=lambda url: f"curl {url.replace('couchdb', 'http', 1)}/_all_dbs",
    not_verified=(
        "no image or package of CouchDB could be had where these tests run; by hand the tests of all backends ran "
        "on express-pouchdb, an emulator, whose forget() removes nothing"
    ),
    limits=limits(
        {
            Capability.BATCH: no("Celery's CouchDB backend reads one document at a time"),
            Capability.COMPRESSION: no("Celery compresses no results in CouchDB"),
            Capability.EXPIRY: no("Celery neither expires nor cleans up results in CouchDB"),
            Capability.FORGET_ABSENT: since(
                (5, 7), "forget() raises before 5.7 where nothing is stored", "celery#10697"
            ),
            Capability.SERIALIZERS: no("results stand in JSON: only serializers that give text can be used"),
        }
    ),
)
