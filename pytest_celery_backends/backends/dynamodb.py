"""DynamoDB: a table for each namespace. A server that is not AWS is called by its own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ..capabilities import Capability, no
from ..celery_release import limits, since
from ..probes.aws import account
from ..probes.dynamodb import client_command, identify, probe, sweep
from ..python_servers import moto
from ..sources import Container, External, Place
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.http import watching


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    """Celery takes the host in a URL for a region of AWS; which other hosts it knows depends on its release."""
    parts, found = urlsplit(service.url), account(service.url)
    login = parts.netloc.rpartition("@")[0]
    place = parts._replace(netloc=f"{login}@{found.region}", path=f"/{namespace.name}")
    return {
        "result_backend": urlunsplit(place),
        # Also where there is none: the user's own server has no say in where a test's results go.
        "dynamodb_endpoint_url": found.endpoint or None,
        "result_backend_transport_options": {"global_keyprefix": ""},
    }


def _url(place: Place) -> str:
    return f"dynamodb://celery:{place.password}@{place.host}:{place.port}"


SPEC: Final = BackendSpec(
    name="dynamodb",
    title="DynamoDB",
    scheme="dynamodb",
    sources=(
        External(schemes=("dynamodb",), example="dynamodb://KEY_ID:SECRET_KEY@us-east-1"),
        # Moto takes any password; only this machine can reach it.
        Container(
            image="motoserver/moto",
            tag="5.2.5",
            port=5000,
            url=_url,
            version_command=("python3", "-c", "import moto; print(moto.__version__)"),
        ),
        moto(_url),
    ),
    identify=identify,
    settings=_settings,
    probe=probe,
    traffic=watching,
    sweep=sweep,
    drivers=(Driver(module="boto3", distribution="boto3"),),
    extra="dynamodb",
    client_command=client_command,
    limits=limits(
        {
            Capability.BATCH: no("Celery's DynamoDB backend reads one item at a time"),
            Capability.COMPRESSION: since(
                (5, 7), "Celery ignores result_compression before 5.7", "celery#10504"
            ),
            Capability.EXPIRY: no(
                "Celery ignores result_expires on DynamoDB: only ttl_seconds in its URL counts"
            ),
            Capability.TIME_TRAVEL: no("DynamoDB removes by its own clock what is over, within two days"),
        }
    ),
)
