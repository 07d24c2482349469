"""Reads the blobs below a path of a Cloud Storage bucket, with the client library that Celery uses."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit
from urllib.request import ProxyHandler, build_opener

from ..celery_release import celery_release
from ..sources import Identity
from ..spec import Namespace, NotReady, ProbeContext, Refused, Service, Side
from .documents import Document, DocumentProbe
from .http_json import LIMIT

EXAMPLE: Final = "gs://BUCKET/PATH?gcs_project=PROJECT"
_PLEASE: Final = f"--celery-backends-url={shlex.quote(f'gcs={EXAMPLE}')}"
#: Names an emulator in a URL; other clients take one from the variable of this name.
EMULATOR: Final = "storage_emulator_host"
_NEEDS_FIRESTORE: Final = (
    "Celery 5.5 and later first ask Firestore for a TTL policy, which no emulator answers"
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a URL names."""

    bucket: str
    path: str
    options: Mapping[str, str]

    @property
    def project(self) -> str:
        """The project, which Celery insists on."""
        return self.options.get("gcs_project", "")

    @property
    def emulator(self) -> str:
        """Where an emulator is, empty for Google's own service."""
        return self.options.get(EMULATOR, "")

    def below(self, name: str) -> str:
        """The path of a namespace."""
        return f"{self.path}/{name}" if self.path else name


def place_of(url: str) -> Place:
    """What a URL names.

    >>> place_of("gs://shop/results?gcs_project=p").below("pcb_1")
    'results/pcb_1'
    """
    parts = urlsplit(url)
    return Place(
        bucket=parts.hostname or "", path=unquote(parts.path).strip("/"), options=dict(parse_qsl(parts.query))
    )


def namespace_url(url: str, name: str) -> str:
    """The URL that leads Celery to a namespace.

    >>> namespace_url("gs://shop/results?gcs_project=p", "pcb_1")
    'gs://shop/results/pcb_1?gcs_project=p'
    """
    place = place_of(url)
    return f"gs://{place.bucket}/{place.below(name)}?{urlencode(place.options)}"


def connected(url: str) -> Any:
    """A client for what *url* names; an emulator takes whoever comes."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    place = place_of(url)
    if not place.emulator:
        return Client(project=place.project)
    nobody: Any = AnonymousCredentials
    return Client(place.project, credentials=nobody(), client_options={"api_endpoint": place.emulator})


def identify(url: str, limit: float) -> Identity:
    """What the service at *url* says it is; an emulator is refused where Celery could not use it."""
    place = place_of(url)
    if not place.bucket or not place.project:
        raise Refused("the URL names no bucket or no project", _PLEASE)
    if place.emulator and celery_release() >= (5, 5):
        raise Refused(_NEEDS_FIRESTORE, _PLEASE)
    return reached(url, limit)


def reached(url: str, limit: float) -> Identity:
    """What the service at *url* says it is, once the bucket's blobs can be listed; *limit* is in seconds."""
    place = place_of(url)
    with _told(place), connected(url) as client:
        list(client.list_blobs(place.bucket, max_results=1, timeout=limit, retry=None))
    if place.emulator:
        return Identity(product=_emulator_at(place.emulator, limit), version="")
    return Identity(
        product="Google Cloud Storage", version="1"
    )  # its interface's, which is all that it tells


@contextmanager
def _told(place: Place) -> Iterator[None]:
    """What the client raises, as what it means."""
    from google.api_core.exceptions import ClientError, GoogleAPIError, NotFound, TooManyRequests
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError

    login = "gcloud auth application-default login"
    try:
        yield
        return
    except NotFound:
        problem: Exception = Refused(
            f"there is no bucket {place.bucket!r}", f"gcloud storage buckets create gs://{place.bucket}"
        )
    except (TooManyRequests, TransportError, OSError) as error:  # what requests raises is an OSError
        problem = NotReady(str(error))
    except (ClientError, DefaultCredentialsError) as error:
        problem = Refused(str(error), login)
    except GoogleAPIError as error:
        problem = NotReady(str(error))
    except GoogleAuthError as error:
        problem = Refused(str(error), login)
    raise problem


def _emulator_at(url: str, limit: float) -> str:
    """What an emulator is called; none tells its version."""
    # An answer that is an error raises one too.
    with suppress(OSError), build_opener(ProxyHandler({})).open(url, timeout=limit) as answer:
        if answer.read(3) == b"OK":
            return "gcp-storage-emulator"
    return "Cloud Storage emulator"


def use_emulator(backend: Any, side: Side) -> None:
    """Give Celery's backend a client for the emulator in its URL: else only the environment could name one."""
    if place_of(backend.url).emulator:
        backend._client = connected(backend.url)


def enter(service: Service, namespace: Namespace) -> None:
    """Lead Celery's client to the emulator, as its documentation says, where the URL names one."""
    if emulator := place_of(service.url).emulator:
        os.environ["STORAGE_EMULATOR_HOST"] = emulator


def client_command(url: str) -> str:
    """What lists the blobs at *url*.

    >>> client_command("gs://shop/results?gcs_project=p")
    'gcloud storage ls --recursive gs://shop/results'
    >>> client_command("gs://celery?gcs_project=p&storage_emulator_host=http://127.0.0.1:4711")
    'curl http://127.0.0.1:4711/storage/v1/b/celery/o'
    """
    place = place_of(url)
    if place.emulator:
        return f"curl {place.emulator}/storage/v1/b/{place.bucket}/o"
    return f"gcloud storage ls --recursive gs://{place.bucket}/{place.path}"


def probe(context: ProbeContext) -> DocumentProbe:
    """The reader of one path."""
    return DocumentProbe(context, Blobs(context.service.url, f"{context.namespace.name}/"))


def sweep(url: str, prefix: str) -> None:
    """Remove every blob of namespaces whose names begin with a prefix."""
    Blobs(url, prefix).drop()


class Blobs:
    """The blobs whose names begin with a prefix, below the URL's path."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._place = place_of(url)
        self._prefix = self._place.below(prefix)
        self._client: Any = None

    @property
    def client(self) -> Any:
        """The library's client."""
        if self._client is None:
            self._client = connected(self._url)
        return self._client

    def create(self) -> None:
        """Nothing: a path needs no making, and the bucket is there."""

    def drop(self) -> None:
        """Delete all blobs and disconnect, also where the server is gone."""
        try:
            self._delete([blob.name for blob in self._blobs()])
        finally:
            if self._client is not None:
                self._client.close()
                self._client = None

    def documents(self) -> Mapping[str, Document]:
        """Every blob by Celery's key; with ``gcs_ttl`` Celery notes on a blob when it may go."""
        now = datetime.now(timezone.utc)
        return {
            blob.name.removeprefix(self._prefix): Document(
                raw=blob.download_as_bytes(timeout=LIMIT),
                expires_in=(blob.custom_time - now).total_seconds() if blob.custom_time else None,
            )
            for blob in self._blobs()
        }

    def delete(self, keys: Iterable[str]) -> None:
        """Delete blobs one by one."""
        self._delete(self._prefix + key for key in keys)

    def _blobs(self) -> list[Any]:
        return list(self.client.list_blobs(self._place.bucket, prefix=self._prefix, timeout=LIMIT))

    def _delete(self, names: Iterable[str]) -> None:
        from google.api_core.exceptions import NotFound

        for name in names:
            with suppress(NotFound):
                self.client.bucket(self._place.bucket).blob(name).delete(timeout=LIMIT)
