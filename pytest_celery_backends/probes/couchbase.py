"""A key prefix in a Couchbase bucket; documents are listed by range scans, which Couchbase has since 7.6."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from ..sources import Identity
from ..spec import NotReady, ProbeContext, Refused
from .documents import Document, DocumentProbe, encoded
from .http_json import LIMIT

_BUCKET: Final = "default"


def bucket_of(url: str) -> str:
    """The bucket that a URL names, Celery's default where it names none.

    >>> bucket_of("couchbase://celery:secret@localhost/results")
    'results'
    """
    return urlsplit(url).path.strip("/") or _BUCKET


def connected(url: str, limit: float) -> Any:
    """A cluster that is ready within *limit* seconds."""
    from couchbase.auth import PasswordAuthenticator
    from couchbase.cluster import Cluster
    from couchbase.exceptions import AuthenticationException, CouchbaseException
    from couchbase.options import ClusterOptions, ClusterTimeoutOptions

    parts = urlsplit(url)
    user = PasswordAuthenticator(unquote(parts.username or ""), unquote(parts.password or ""))
    waits = ClusterTimeoutOptions(bootstrap_timeout=timedelta(seconds=limit))
    port = f":{parts.port}" if parts.port else ""
    try:
        return Cluster(f"couchbase://{parts.hostname}{port}", ClusterOptions(user, timeout_options=waits))
    except AuthenticationException as error:
        problem: Exception = Refused(str(error))
    except CouchbaseException as error:
        problem = NotReady(str(error))
    raise problem


def identify(url: str, limit: float) -> Identity:
    """What the cluster at *url* says it is."""
    cluster = connected(url, limit)
    try:
        return Identity(product="Couchbase", version=str(cluster.cluster_info().server_version_short))
    finally:
        cluster.close()


def probe(context: ProbeContext) -> DocumentProbe:
    """The reader of one prefix."""
    prefix = Prefix(context.service.url, f"{context.namespace.name}:")
    return DocumentProbe(context, prefix, is_prefix=True)


def sweep(url: str, prefix: str) -> None:
    """Remove every document whose key begins with a prefix."""
    Prefix(url, prefix).drop()


class Prefix:
    """The documents whose keys begin with a prefix."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._prefix = prefix
        self._cluster: Any = None

    @property
    def client(self) -> Any:
        """The driver's cluster."""
        if self._cluster is None:
            self._cluster = connected(self._url, LIMIT)
        return self._cluster

    def create(self) -> None:
        """Nothing: a prefix needs no making."""

    def drop(self) -> None:
        """Remove the documents and disconnect."""
        self.delete(list(self.documents()))
        self._cluster.close()
        self._cluster = None

    def documents(self) -> Mapping[str, Document]:
        """Every document, with the time it has left."""
        from couchbase.kv_range_scan import PrefixScan

        now, found = time.time(), {}
        for row in self._collection().scan(PrefixScan(self._prefix)):
            left = row.expiry_time.timestamp() - now if row.expiry_time else None
            found[str(row.id)] = Document(raw=encoded(row.content_as[object]), expires_in=left)
        return found

    def delete(self, keys: Iterable[str]) -> None:
        """Remove documents one by one."""
        from couchbase.exceptions import DocumentNotFoundException

        for key in keys:
            with suppress(DocumentNotFoundException):
                self._collection().remove(key)

    def _collection(self) -> Any:
        return self.client.bucket(bucket_of(self._url)).default_collection()
