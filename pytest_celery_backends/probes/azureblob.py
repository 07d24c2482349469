"""Reads a container of Azure Blob Storage, with the client library that Celery uses: it signs every request."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from ..sources import Identity
from ..spec import NotReady, ProbeContext, Refused
from .documents import Document, DocumentProbe
from .http_json import LIMIT

SCHEME: Final = "azureblockblob"
EXAMPLE: Final = (
    f"{SCHEME}://DefaultEndpointsProtocol=https;AccountName=NAME;AccountKey=KEY;"
    "EndpointSuffix=core.windows.net"
)
#: How servers name themselves: an emulator is not to be taken for the real one.
_SERVER: Final = re.compile(r"(\w+)-Blob/(\S+)")
_PLEASE: Final = f"--celery-backends-url={shlex.quote(f'azureblob={EXAMPLE}')}"


def connected(url: str, limit: float) -> Any:
    """A client, which has not asked anything yet; *limit* is in seconds for connecting and for every answer.

    Raises Refused where the URL is none that Celery takes:
    https://docs.celeryq.dev/en/stable/userguide/configuration.html#azure-block-blob-backend-settings
    """
    from azure.storage.blob import BlobServiceClient

    options: dict[str, Any] = {"connection_timeout": limit, "read_timeout": limit, "retry_total": 0}
    text = url.partition("://")[2]
    name, _, account = text.partition("@")
    if name in ("DefaultAzureCredential", "ManagedIdentityCredential"):
        from azure import identity

        return BlobServiceClient(account, credential=getattr(identity, name)(), **options)
    try:
        return BlobServiceClient.from_connection_string(text, **options)
    except ValueError as error:
        reason = str(error)
    raise Refused(reason, _PLEASE)


def identify(url: str, limit: float) -> Identity:
    """What the service at *url* says it is: Azure in the version of its interface, an emulator in its own."""
    headers: dict[str, str] = {}
    with connected(url, limit) as client, _told():
        client.get_account_information(
            raw_response_hook=lambda response: headers.update(response.http_response.headers)
        )
    server = _SERVER.match(headers.get("Server", ""))
    if server is not None and server[1] != "Azure":
        return Identity(product=server[1], version=server[2])
    return Identity(product="Azure Blob Storage", version=headers.get("x-ms-version", ""))


@contextmanager
def _told() -> Iterator[None]:
    """What the client raises, as what it means: who has no account here is not let in either."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    try:
        yield
        return
    except ClientAuthenticationError as error:
        problem: Exception = Refused(_first_line(error), _PLEASE)
    except HttpResponseError as error:
        is_early = error.status_code is None or error.status_code >= 500
        problem = NotReady(_first_line(error)) if is_early else Refused(_first_line(error), _PLEASE)
    except AzureError as error:
        problem = NotReady(_first_line(error))
    raise problem


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def client_command(url: str) -> str:
    """What lists the containers of the account at *url*.

    >>> client_command("azureblockblob://AccountName=celery;AccountKey=c2VjcmV0")
    "az storage container list --output table --connection-string 'AccountName=celery;AccountKey=c2VjcmV0'"
    """
    return (
        f"az storage container list --output table --connection-string {shlex.quote(url.partition('://')[2])}"
    )


def container_of(namespace: str) -> str:
    """A namespace's container, whose name has no underscores.

    >>> container_of("pcb_7f_1")
    'pcb-7f-1'
    """
    return namespace.lower().replace("_", "-")


def probe(context: ProbeContext) -> DocumentProbe:
    """The reader of one container."""
    return DocumentProbe(context, Blobs(context.service.url, container_of(context.namespace.name)))


def sweep(url: str, prefix: str) -> None:
    """Remove every container whose name begins with a prefix."""
    with connected(url, LIMIT) as client:
        for container in client.list_containers(name_starts_with=container_of(prefix)):
            client.delete_container(container)


class Blobs:
    """The blobs of one container."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._client: Any = None

    @property
    def client(self) -> Any:
        """A ``BlobServiceClient``."""
        if self._client is None:
            self._client = connected(self._url, LIMIT)
        return self._client

    def create(self) -> None:
        """Make the container, which Celery does too where there is none."""
        if not self._container.exists():
            self._container.create_container()

    def drop(self) -> None:
        """Remove the container and disconnect, also where the server is gone."""
        try:
            if self._container.exists():
                self._container.delete_container()
        finally:
            self._client.close()
            self._client = None

    def documents(self) -> Mapping[str, Document]:
        """Every blob."""
        if not self._container.exists():
            return {}
        return {
            name: Document(raw=self._container.download_blob(name).readall())
            for name in self._container.list_blob_names()
        }

    def delete(self, keys: Iterable[str]) -> None:
        """Delete blobs one by one."""
        from azure.core.exceptions import ResourceNotFoundError

        for key in keys:
            with suppress(ResourceNotFoundError):
                self._container.delete_blob(key)

    @property
    def _container(self) -> Any:
        return self.client.get_container_client(self._name)
