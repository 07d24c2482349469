"""The backends that can be had where these tests run."""

from __future__ import annotations

from typing import Final

#: Where Celery is told of a result: all others are asked again and again.
PUSHED: Final = ("redis", "redis-tls", "redis-sentinel", "valkey", "rpc", "rpc-memory")
DATABASES: Final = ("postgres", "mysql", "mariadb", "sqlite")
POLLED: Final = (
    *DATABASES,
    *("memcached", "mongodb", "consul", "azureblob", "dynamodb", "s3", "memory", "filesystem"),
    *("django-db", "django-cache"),
)
EVERY: Final = (*PUSHED, *POLLED)
