"""Backends that come with this package and have something in common, for verdicts that name many."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from .. import YES, Verdict, no, not_yet

RPC: Final = ("rpc", "rpc-memory")
DATABASES: Final = ("postgres", "mysql", "mariadb", "sqlite", "mssql", "oracle")
DJANGO: Final = ("django-db", "django-cache")
#: Celery is told of a result there, and asks again and again of all others.
PUSHED: Final = ("redis", "redis-tls", "redis-sentinel", "valkey", *RPC)
#: A result is the value of a key there.
KEYS: Final = (
    *("redis", "redis-tls", "redis-sentinel", "valkey", "memcached", "memory", "filesystem", "consul"),
    *("azureblob", "dynamodb", "s3", "gcs", "arangodb", "cosmosdb", "couchbase", "couchdb", "elasticsearch"),
)
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
#: Of django-cache.
OBJECTS: Final = no("Django's cache stores Python's own objects, whatever result_serializer says")
#: Of django-db.
UNTRACED: Final = not_yet("django-celery-results stores a traceback with result_extended alone", "")
#: Of consul.
FIRST_STATE: Final = no(
    "Celery locks a key with a new session for each state: Consul keeps the first and drops all others"
)


def _redis_keepalive() -> Verdict:
    try:
        major = int(version("redis").partition(".")[0])
    except PackageNotFoundError:
        major = 0
    return YES if major < 8 else not_yet("redis-py 8 keeps each socket alive, and is not told not to", "")


#: Of ``redis_socket_keepalive=False``, which Celery does not pass on: the client goes by its own default.
REDIS_KEEPALIVE: Final = _redis_keepalive()
