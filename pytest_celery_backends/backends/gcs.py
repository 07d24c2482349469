"""Google Cloud Storage: a path in a bucket for each namespace. An emulator does for Celery 5.4 only.

Since 5.5 Celery counts the parts of chords in Firestore, and asks it for a TTL policy before anything else:
https://docs.celeryq.dev/en/stable/userguide/configuration.html#gcs-backend-settings
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..capabilities import Capability, no
from ..celery_release import celery_release, limits, since
from ..probes.gcs import (
    EMULATOR,
    EXAMPLE,
    client_command,
    enter,
    identify,
    namespace_url,
    place_of,
    probe,
    sweep,
    use_emulator,
)
from ..python_servers import python_wheel
from ..sources import Container, Embedded, External, Place
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.http import watching

_BUCKET: Final = "celery"
_STORAGE: Final = Driver(module="google.cloud.storage", distribution="google-cloud-storage")
_FIRESTORE: Final = Driver(module="google.cloud.firestore", distribution="google-cloud-firestore")


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    place = place_of(service.url)
    return {
        "result_backend": namespace_url(service.url, namespace.name),
        "gcs_bucket": place.bucket,
        "gcs_project": place.project,
        "gcs_base_path": place.below(namespace.name),
        "gcs_ttl": 0,  # Celery refuses any other where the bucket has no lifecycle rule
        "result_backend_transport_options": {"global_keyprefix": ""},
    }


def _url(place: Place) -> str:
    return f"gs://{_BUCKET}?gcs_project=celery&{EMULATOR}=http://{place.host}:{place.port}"


def _arguments(place: Place) -> Sequence[str]:
    where = (f"--host={place.host}", f"--port={place.port}")
    return ("start", "--in-memory", f"--default-bucket={_BUCKET}", *where)


#: Sources only where Celery can use them: else each run would pull and start one in vain.
CONTAINER: Final = Container(
    image="oittaa/gcp-storage-emulator", tag="v2026.07.19", port=8080, url=_url, command=_arguments
)
WHEEL: Final = python_wheel(
    distribution="gcp-storage-emulator",
    package="gcp_storage_emulator",
    product="gcp-storage-emulator",
    extra="gcs-emulator",
    arguments=lambda place: ("-m", "gcp_storage_emulator", *_arguments(place)),
    url=_url,
)

SPEC: Final = BackendSpec(
    name="gcs",
    title="Google Cloud Storage",
    scheme="gs",
    sources=(
        External(schemes=("gs",), example=EXAMPLE),
        *((CONTAINER, Embedded(wheels=(WHEEL,))) if celery_release() < (5, 5) else ()),
    ),
    identify=identify,
    settings=_settings,
    probe=probe,
    traffic=watching,
    sweep=sweep,
    adapt=use_emulator,
    enter=enter,
    drivers=(_STORAGE, _FIRESTORE) if celery_release() >= (5, 5) else (_STORAGE,),
    extra="gcs",
    client_command=client_command,
    not_verified=(
        "there is no account where these tests run, and Celery 5.5 and later ask Firestore before they store "
        "anything, which no emulator answers; with Celery 5.4 the tests of all backends ran by hand on "
        "gcp-storage-emulator, from its image and from its wheel"
    ),
    limits=limits(
        {
            Capability.BATCH: since((5, 5), "Celery 5.4 reads one blob at a time", "celery#9302"),
            Capability.COMPRESSION: since(
                (5, 7), "Celery compresses no results in Cloud Storage before 5.7", "celery#10504"
            ),
            Capability.EXPIRY: no(
                "Celery neither expires nor cleans up results in Cloud Storage; with gcs_ttl a lifecycle rule of "
                "the bucket may, once a day"
            ),
            Capability.TIME_TRAVEL: no("a bucket's lifecycle rules go by Cloud Storage's own clock"),
        }
    ),
)
