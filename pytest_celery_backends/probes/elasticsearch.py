"""An index for each namespace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final
from urllib.parse import quote

from ..sources import Identity
from ..spec import ProbeContext, Refused
from .documents import Document, DocumentProbe, encoded
from .http_json import JsonServer

PORT: Final = 9200
#: The most that one search gives (index.max_result_window).
_MOST: Final = 10_000


def identify(url: str, limit: float) -> Identity:
    """What the server at *url* says it is; raises Refused with a client that Celery cannot use.

    Celery makes its client with ``timeout`` and ``http_auth``, which the one for Elasticsearch 9 does not take.
    """
    try:
        major = int(version("elasticsearch").partition(".")[0])
    except PackageNotFoundError:
        major = 0
    if major >= 9:
        raise Refused(
            "Celery cannot use the elasticsearch client from version 9 on", "pip install 'elasticsearch<9'"
        )
    answer = JsonServer(url, port=PORT, limit=limit).ask("GET", "/")
    about = (answer or {}).get("version", {})
    is_fork = about.get("distribution") == "opensearch"
    product = "OpenSearch" if is_fork else "Elasticsearch"
    return Identity(product=product, version=str(about.get("number", "")))


def probe(context: ProbeContext) -> DocumentProbe:
    """The reader of one index."""
    return DocumentProbe(context, Index(JsonServer(context.service.url, port=PORT), context.namespace.name))


def sweep(url: str, prefix: str) -> None:
    """Remove every index whose name begins with a prefix."""
    server = JsonServer(url, port=PORT)
    for found in server.ask("GET", f"/_cat/indices/{quote(prefix)}*?format=json&h=index") or ():
        if found["index"].startswith(prefix):
            server.ask("DELETE", f"/{found['index']}")


class Index:
    """One index; it comes with Celery's first document."""

    def __init__(self, client: JsonServer, name: str) -> None:
        self.client = client
        self._path = f"/{name}"

    def create(self) -> None:
        """Nothing: Celery's first document makes the index."""

    def drop(self) -> None:
        """Delete the index."""
        self.client.ask("DELETE", self._path)

    def documents(self) -> Mapping[str, Document]:
        """The first 10000 documents, with what was stored just now."""
        if self.client.ask("POST", f"{self._path}/_refresh") is None:
            return {}
        answer = self.client.ask("GET", f"{self._path}/_search?size={_MOST}")
        hits = answer["hits"]["hits"] if answer else ()
        return {hit["_id"]: Document(raw=encoded(hit["_source"]["result"])) for hit in hits}

    def delete(self, keys: Iterable[str]) -> None:
        """Delete documents one by one."""
        for key in keys:
            self.client.ask("DELETE", f"{self._path}/_doc/{quote(key, safe='')}")
