"""S3: a base path for each namespace in the bucket that a URL names, a bucket for each where it names none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..capabilities import Capability, no
from ..probes.aws import account
from ..probes.s3 import client_command, home, identify, probe, sweep
from ..python_servers import moto
from ..sources import Container, External, Place
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.http import watching


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    """Celery has no URL for S3 but ``s3://``: everything is a setting."""
    found, place = account(service.url), home(service.url, namespace.name)
    return {
        "result_backend": "s3://",
        "s3_endpoint_url": found.endpoint or None,
        "s3_region": found.region,
        "s3_access_key_id": found.login.get("aws_access_key_id"),
        "s3_secret_access_key": found.login.get("aws_secret_access_key"),
        "s3_bucket": place.bucket,
        "s3_base_path": place.path or None,
        "result_backend_transport_options": {"global_keyprefix": ""},
    }


def _url(place: Place) -> str:
    return f"s3://celery:{place.password}@{place.host}:{place.port}"


SPEC: Final = BackendSpec(
    name="s3",
    title="S3",
    scheme="s3",
    sources=(
        External(schemes=("s3", "s3+https"), example="s3://KEY_ID:SECRET_KEY@us-east-1/BUCKET"),
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
    extra="s3",
    client_command=client_command,
    limits={
        Capability.BATCH: no("Celery's S3 backend reads one object at a time"),
        Capability.COMPRESSION: no("Celery compresses no results in S3"),
        Capability.EXPIRY: no(
            "Celery neither expires nor cleans up results in S3: a bucket's lifecycle does"
        ),
    },
)
