"""Backends that come with this package and have something in common, for verdicts that name many."""

from __future__ import annotations

from typing import Final

from .. import not_yet

RPC: Final = ("rpc", "rpc-memory")
DATABASES: Final = ("postgres", "mysql", "mariadb", "sqlite", "mssql", "oracle")
DJANGO: Final = ("django-db", "django-cache")
#: Celery is told of a result there, and asks again and again of all others.
PUSHED: Final = ("redis", "redis-tls", "redis-sentinel", "valkey", *RPC)
POLLED: Final = (
    *DATABASES,
    *DJANGO,
    *("memcached", "memory", "filesystem", "mongodb", "consul", "azureblob", "dynamodb", "s3", "gcs"),
    *("arangodb", "cassandra", "cosmosdb", "couchbase", "couchdb", "elasticsearch"),
)

#: Of DATABASES before Celery 5.7.
ALWAYS_PICKLE: Final = not_yet(
    "a database's rows are pickles, whatever result_serializer says", "celery#10536"
)
