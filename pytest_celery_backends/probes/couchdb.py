"""A CouchDB database for each namespace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..sources import Identity
from ..spec import ProbeContext, Refused
from .documents import Document, DocumentProbe, encoded
from .http_json import JsonServer

PORT: Final = 5984
#: How servers greet: the emulator is not to be taken for the real one.
_PRODUCTS: Final = {"couchdb": "CouchDB", "express-pouchdb": "express-pouchdb"}


def identify(url: str, limit: float) -> Identity:
    """What the server at *url* says it is; its greeting needs no password, so the session is asked too."""
    server = JsonServer(url, port=PORT, limit=limit)
    answer = server.ask("GET", "/") or {}
    product = next((title for key, title in _PRODUCTS.items() if key in answer), "")
    if not product:
        raise Refused(f"this is no CouchDB: {str(answer)[:100]}")
    server.ask("GET", "/_all_dbs")
    return Identity(product=product, version=str(answer.get("version", "")))


def probe(context: ProbeContext) -> DocumentProbe:
    """The reader of one database."""
    return DocumentProbe(
        context, Documents(JsonServer(context.service.url, port=PORT), context.namespace.name)
    )


def sweep(url: str, prefix: str) -> None:
    """Remove every database whose name begins with a prefix."""
    server = JsonServer(url, port=PORT)
    for name in server.ask("GET", "/_all_dbs") or ():
        if name.startswith(prefix):
            server.ask("DELETE", f"/{name}")


class Documents:
    """The documents of one database."""

    def __init__(self, client: JsonServer, name: str) -> None:
        self.client = client
        self._path = f"/{name}"

    def create(self) -> None:
        """Make the database, which Celery does too where there is none."""
        if self.client.ask("GET", self._path) is None:
            self.client.ask("PUT", self._path)

    def drop(self) -> None:
        """Delete the database."""
        self.client.ask("DELETE", self._path)

    def documents(self) -> Mapping[str, Document]:
        """Every document."""
        return {key: Document(raw=encoded(row["value"])) for key, row in self._rows().items()}

    def delete(self, keys: Iterable[str]) -> None:
        """Delete documents in the revision that they have now, all with one request."""
        rows = self._rows()
        gone = [{"_id": key, "_rev": rows[key]["_rev"], "_deleted": True} for key in keys if key in rows]
        if gone:
            self.client.ask("POST", f"{self._path}/_bulk_docs", {"docs": gone})

    def _rows(self) -> dict[str, Any]:
        answer = self.client.ask("GET", f"{self._path}/_all_docs?include_docs=true")
        return {row["id"]: row["doc"] for row in answer["rows"]} if answer else {}
