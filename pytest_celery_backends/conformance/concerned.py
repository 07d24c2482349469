"""What a check is about: where it is not about the backend at hand, it is unsupported there, and says why."""

from __future__ import annotations

from typing import Any, Final, NoReturn

import celery
from celery import Celery

from .. import Unsupported

REDIS: Final = "celery.backends.redis.RedisBackend"
DATABASE: Final = "celery.backends.database.DatabaseBackend"
MONGODB: Final = "celery.backends.mongodb.MongoBackend"
KEYS: Final = "celery.backends.base.BaseKeyValueStoreBackend"
RPC: Final = "celery.backends.rpc.RPCBackend"


def is_one(app: Celery, *names: str) -> bool:
    """Whether an app's backend is of one of these classes, or derived from it."""
    return any(f"{each.__module__}.{each.__qualname__}" in names for each in type(app.backend).__mro__)


def unsupported(reason: str) -> NoReturn:
    """End a check that cannot be asked here; what could be declared by name is, with ``no(reason)``."""
    raise Unsupported(reason, remedy="pytest --celery-backends-list  # the backends that there are")


def only_on(app: Celery, *names: str) -> Any:
    """The app's backend; the check is unsupported where that is of none of these classes."""
    if not is_one(app, *names):
        unsupported(f"concerns {' and '.join(name.rpartition('.')[2] for name in names)} alone")
    return app.backend


def only_since(*release: int) -> None:
    """The check is unsupported on a Celery that does not have the setting."""
    if tuple(celery.VERSION[:2]) < release:
        unsupported(f"comes with Celery {'.'.join(map(str, release))}")
