"""A Cosmos DB database for each namespace, read with the driver that Celery uses: it signs every request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from ..sources import Identity
from ..spec import NotReady, ProbeContext, Refused
from .documents import Document, DocumentProbe, encoded
from .http_json import LIMIT

COLLECTION: Final = "results"
_NO_ACCESS: Final = (401, 403)
_ABSENT: Final = 404


def connected(url: str, limit: float) -> Any:
    """pydocumentdb's client, once the server has answered; *limit* is in seconds."""
    from pydocumentdb.document_client import DocumentClient
    from pydocumentdb.documents import ConnectionPolicy
    from pydocumentdb.errors import HTTPFailure

    parts = urlsplit(url)
    port = parts.port or 443
    policy = ConnectionPolicy()
    policy.RequestTimeout = int(limit * 1000)
    endpoint = f"{'https' if port == 443 else 'http'}://{parts.hostname}:{port}"
    try:
        client = DocumentClient(endpoint, {"masterKey": unquote(parts.password or "")}, policy)
        client.GetDatabaseAccount()  # the client itself hides that nothing answers
        return client
    except HTTPFailure as error:
        said = " ".join(str(error).split())[:200]
        problem: Exception = Refused(said) if error.status_code in _NO_ACCESS else NotReady(said)
    except OSError as error:  # what requests raises is one
        problem = NotReady(str(error))
    except ValueError as error:  # a key that is no base64
        problem = Refused(str(error))
    raise problem


def identify(url: str, limit: float) -> Identity:
    """The service at *url*, in the version that its gateway names."""
    client = connected(url, limit)
    headers = client.last_response_headers or {}
    return Identity(product="Cosmos DB", version=headers.get("x-ms-gatewayversion", "").rpartition("=")[2])


def probe(context: ProbeContext) -> DocumentProbe:
    """The reader of one database."""
    return DocumentProbe(context, Results(context.service.url, context.namespace.name))


def sweep(url: str, prefix: str) -> None:
    """Remove every database whose name begins with a prefix."""
    client = connected(url, LIMIT)
    for found in list(client.ReadDatabases()):
        if found["id"].startswith(prefix):
            client.DeleteDatabase(f"dbs/{found['id']}")


class Results:
    """The documents of one database's only collection."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._client: Any = None
        self._database = f"dbs/{name}"
        self._path = f"{self._database}/colls/{COLLECTION}"

    @property
    def client(self) -> Any:
        """pydocumentdb's client."""
        if self._client is None:
            self._client = connected(self._url, LIMIT)
        return self._client

    def create(self) -> None:
        """Nothing: Celery makes database and collection."""

    def drop(self) -> None:
        """Delete the database."""
        self._where_there("DeleteDatabase", self._database)

    def documents(self) -> Mapping[str, Document]:
        """Every document."""
        if self._where_there("ReadCollection", self._path) is None:
            return {}
        rows = self.client.ReadDocuments(self._path)
        return {row["id"]: Document(raw=encoded(row["value"])) for row in rows}

    def delete(self, keys: Iterable[str]) -> None:
        """Delete documents one by one."""
        for key in keys:
            self._where_there("DeleteDocument", f"{self._path}/docs/{key}", {"partitionKey": key})

    def _where_there(self, method: str, *arguments: Any) -> Any:
        """What the client answers, None where there is nothing."""
        from pydocumentdb.errors import HTTPFailure

        try:
            return getattr(self.client, method)(*arguments)
        except HTTPFailure as error:
            if error.status_code != _ABSENT:
                raise
        return None
