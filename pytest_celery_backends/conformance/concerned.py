"""Which of Celery's backend classes a setting is about: it is shown there, and has no part in the others."""

from __future__ import annotations

from typing import Any, Final

import celery
import pytest
from celery import Celery

REDIS: Final = "celery.backends.redis.RedisBackend"
DATABASE: Final = "celery.backends.database.DatabaseBackend"
MONGODB: Final = "celery.backends.mongodb.MongoBackend"
KEYS: Final = "celery.backends.base.BaseKeyValueStoreBackend"
RPC: Final = "celery.backends.rpc.RPCBackend"


def is_one(app: Celery, *names: str) -> bool:
    """Whether an app's backend is of one of these classes, or derived from it."""
    return any(f"{each.__module__}.{each.__qualname__}" in names for each in type(app.backend).__mro__)


def only_on(app: Celery, *names: str) -> Any:
    """The app's backend; leaves the check out where it is of none of these classes."""
    if not is_one(app, *names):
        pytest.skip(f"concerns {' and '.join(name.rpartition('.')[2] for name in names)} alone")
    return app.backend


def only_since(*release: int) -> None:
    """Leave the check out on a Celery that does not have the setting."""
    if tuple(celery.VERSION[:2]) < release:
        pytest.skip(f"comes with Celery {'.'.join(map(str, release))}")
