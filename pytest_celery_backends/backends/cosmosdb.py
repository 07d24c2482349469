"""Azure Cosmos DB: a database for each namespace."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from ..capabilities import Capability, no
from ..celery_release import limits, since
from ..probes.cosmosdb import COLLECTION, identify, probe, sweep
from ..sources import Container, External, Place
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.http import watching


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    return {
        "result_backend": service.url,
        "cosmosdbsql_database_name": namespace.name,
        "cosmosdbsql_collection_name": COLLECTION,
        "result_backend_transport_options": {"global_keyprefix": ""},
    }


def _key(place: Place) -> str:
    """An account's key, which is 64 bytes in base64."""
    return b64encode(hashlib.sha512(place.password.encode()).digest()).decode()


SPEC: Final = BackendSpec(
    name="cosmosdb",
    title="Cosmos DB",
    scheme="cosmosdbsql",
    sources=(
        External(schemes=("cosmosdbsql",), example="cosmosdbsql://:KEY@ACCOUNT.documents.azure.com:443"),
        Container(
            image="mcr.microsoft.com/cosmosdb/linux/azure-cosmos-emulator",
            tag="vnext-EN20251223",
            port=8081,
            same_ports=1,  # it tells clients where it is
            url=lambda place: f"cosmosdbsql://:{quote(_key(place), safe='')}@{place.host}:{place.ports[0]}",
            environment=lambda place: {
                "PORT": str(place.ports[0]),
                "PROTOCOL": "http",
                "KEY_FILE": str(place.directory / "key"),
            },
            files=lambda place: {"key": _key(place)},
        ),
    ),
    identify=identify,
    settings=_settings,
    probe=probe,
    traffic=watching,
    sweep=sweep,
    drivers=(Driver(module="pydocumentdb", distribution="pydocumentdb"),),
    extra="cosmosdb",
    not_verified=(
        "there is no account and no emulator where these tests run; Celery's driver, pydocumentdb, is retired, "
        "and still installs and imports on Python 3.11"
    ),
    limits=limits(
        {
            Capability.BATCH: no("Celery's Cosmos DB backend reads one document at a time"),
            Capability.COMPRESSION: no("Celery compresses no results in Cosmos DB"),
            Capability.EXPIRY: no("Celery neither expires nor cleans up results in Cosmos DB"),
            Capability.FORGET_ABSENT: since(
                (5, 7), "forget() raises before 5.7 where nothing is stored", "celery#10714"
            ),
            Capability.SERIALIZERS: no("results stand in JSON: only serializers that give text can be used"),
        }
    ),
)
