"""An ArangoDB collection for each namespace, in the database that the URL names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from ..sources import Identity
from ..spec import ProbeContext, Refused
from .documents import Document, DocumentProbe, encoded
from .http_json import JsonServer

PORT: Final = 8529
#: Celery's own, where a URL names no database.
_DATABASE: Final = "celery"


def database_of(url: str) -> str:
    """The database that a URL names.

    >>> database_of("arangodb://root:secret@localhost:8529/shop/results")
    'shop'
    """
    return urlsplit(url).path.strip("/").partition("/")[0] or _DATABASE


def identify(url: str, limit: float) -> Identity:
    """What the server at *url* says it is; raises Refused where it has no such database."""
    server = JsonServer(url, port=PORT, limit=limit)
    answer = server.ask("GET", "/_api/version") or {}
    if server.ask("GET", f"/_db/{database_of(url)}/_api/database/current") is None:
        raise Refused(f"the server has no database {database_of(url)!r}")
    return Identity(product="ArangoDB", version=str(answer.get("version", "")))


def probe(context: ProbeContext) -> DocumentProbe:
    """The reader of one collection."""
    url = context.service.url
    return DocumentProbe(
        context, Results(JsonServer(url, port=PORT), database_of(url), context.namespace.name)
    )


def sweep(url: str, prefix: str) -> None:
    """Remove every collection whose name begins with a prefix."""
    server, path = JsonServer(url, port=PORT), f"/_db/{database_of(url)}/_api/collection"
    for found in (server.ask("GET", path) or {}).get("result", ()):
        if found["name"].startswith(prefix):
            server.ask("DELETE", f"{path}/{found['name']}")


class Results:
    """The documents of one collection."""

    def __init__(self, client: JsonServer, database: str, name: str) -> None:
        self.client = client
        self._api = f"/_db/{database}/_api"
        self._name = name

    def create(self) -> None:
        """Make the collection, which Celery does not."""
        if self.client.ask("GET", f"{self._api}/collection/{self._name}") is None:
            self.client.ask("POST", f"{self._api}/collection", {"name": self._name})

    def drop(self) -> None:
        """Delete the collection."""
        self.client.ask("DELETE", f"{self._api}/collection/{self._name}")

    def documents(self) -> Mapping[str, Document]:
        """Every document."""
        query = {"query": "FOR d IN @@c RETURN d", "bindVars": {"@c": self._name}}
        answer = self.client.ask("POST", f"{self._api}/cursor", query)
        found = list(answer["result"]) if answer else []
        while answer and answer.get("hasMore"):
            answer = self.client.ask("POST", f"{self._api}/cursor/{answer['id']}")
            found += answer["result"] if answer else []
        return {row["_key"]: Document(raw=encoded(row["task"])) for row in found}

    def delete(self, keys: Iterable[str]) -> None:
        """Delete documents one by one."""
        for key in keys:
            self.client.ask("DELETE", f"{self._api}/document/{self._name}/{quote(key, safe='')}")
