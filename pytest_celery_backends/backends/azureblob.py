"""Azure Blob Storage: a container of it for each namespace. Private servers are Azurite, Microsoft's emulator."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..capabilities import Capability, no
from ..celery_release import limits, since
from ..probes.azureblob import EXAMPLE, SCHEME, client_command, container_of, identify, probe, sweep
from ..sources import Container, External, Identity, Local, Place, Program
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.http import watching

_ACCOUNT: Final = "celery"


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    return {
        "result_backend": service.url,
        "azureblockblob_container_name": container_of(namespace.name),
        "azureblockblob_base_path": "",
        "result_backend_transport_options": {"global_keyprefix": ""},
    }


def _key(place: Place) -> str:
    """An account's key is in base64."""
    return b64encode(place.password.encode()).decode()


def _environment(place: Place) -> Mapping[str, str]:
    return {"AZURITE_ACCOUNTS": f"{_ACCOUNT}:{_key(place)}"}


def _command(place: Place) -> Sequence[str]:
    # Without the first flag it refuses clients that are newer than itself.
    flags = ("--skipApiVersionCheck", "--disableTelemetry")
    return ("azurite-blob", "--blobHost", place.host, "--blobPort", str(place.port), *flags)


def _url(place: Place) -> str:
    account = f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_key(place)}"
    return f"{SCHEME}://{account};BlobEndpoint=http://{place.host}:{place.port}/{_ACCOUNT}"


def _identify_binary(text: str) -> Identity:
    version = text.strip()
    if not version[:1].isdecimal():
        raise ValueError(text)
    return Identity(product="Azurite", version=version)


_PROGRAM: Final = Program(
    binaries=("azurite-blob",),
    command=lambda place: (*_command(place), "--location", str(place.directory)),
    environment=_environment,
    url=_url,
    identify_binary=_identify_binary,
)

SPEC: Final = BackendSpec(
    name="azureblob",
    title="Azure Blob Storage",
    scheme=SCHEME,
    sources=(
        External(schemes=(SCHEME,), example=EXAMPLE),
        Container(
            image="mcr.microsoft.com/azure-storage/azurite",
            tag="3.35.0",
            port=10000,
            url=_url,
            environment=_environment,
            command=lambda place: (*_command(place), "--location", "/data"),
        ),
        Local(program=_PROGRAM),
    ),
    identify=identify,
    settings=_settings,
    probe=probe,
    traffic=watching,
    sweep=sweep,
    drivers=(Driver(module="azure.storage.blob", distribution="azure-storage-blob"),),
    extra="azureblob",
    client_command=client_command,
    limits=limits(
        {
            Capability.BATCH: no("Celery's Azure backend reads one blob at a time"),
            Capability.COMPRESSION: no("Celery compresses no results in Azure"),
            Capability.EXPIRY: no("Celery neither expires nor cleans up results in Azure"),
            Capability.FORGET_ABSENT: since(
                (5, 7), "forget() raises before 5.7 where nothing is stored", "celery#10714"
            ),
            Capability.SERIALIZERS: no(
                "Celery reads blobs as text: results of pickle and msgpack are stored and cannot be read"
            ),
        }
    ),
)
