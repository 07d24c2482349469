"""MongoDB: a database for each namespace. A server that only speaks its protocol is called by its own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ..capabilities import Capability, no
from ..celery_release import limits, since
from ..probes.mongodb import MongoProbe, client_command, identify, sweep
from ..sources import Container, External
from ..spec import BackendSpec, Driver, Namespace, Service

_USER: Final = "celery"


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    return {
        "result_backend": urlunsplit(urlsplit(service.url)._replace(path=f"/{namespace.name}")),
        # The user's own host and database have no say in where a test's results go; and without a limit each
        # question to a server that died takes 30 seconds.
        "mongodb_backend_settings": {"options": {"serverSelectionTimeoutMS": 5000}},
    }


SPEC: Final = BackendSpec(
    name="mongodb",
    title="MongoDB",
    scheme="mongodb",
    sources=(
        External(
            schemes=("mongodb", "mongodb+srv"),
            example="mongodb://USER:PASSWORD@localhost:27017/?authSource=admin",
        ),
        Container(
            image="mongo",
            tag="8.0",
            port=27017,
            url=lambda place: (
                f"mongodb://{_USER}:{place.password}@{place.host}:{place.port}/?authSource=admin"
            ),
            environment=lambda place: {
                "MONGO_INITDB_ROOT_USERNAME": _USER,
                "MONGO_INITDB_ROOT_PASSWORD": place.password,
            },
        ),
    ),
    identify=identify,
    settings=_settings,
    probe=MongoProbe,
    sweep=sweep,
    drivers=(Driver(module="pymongo", distribution="pymongo"),),
    extra="mongodb",
    client_command=client_command,
    limits=limits(
        {
            Capability.BATCH: no("Celery's MongoDB backend reads one document at a time"),
            Capability.COMPRESSION: since(
                (5, 7), "Celery ignores result_compression before 5.7", "celery#10504"
            ),
            Capability.GROUPS: no("Celery restores a group from MongoDB as a bare list of its results"),
        }
    ),
)
