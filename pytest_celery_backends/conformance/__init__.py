"""The conformance kit: what Celery's documents say of result backends, as checks that run on any of them.

``pytest --pyargs pytest_celery_backends.conformance --celery-backends=redis,postgres`` runs all of it; a class of
checks may also be imported by name into somebody's own tests: ``from pytest_celery_backends.conformance import
TestStates``.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

from .. import check as check
from .. import except_on as except_on

#: A module for each topic, with one class of checks: ``states`` has TestStates, ``connection_loss`` TestConnectionLoss.
TOPICS: Final = (
    "states",
    "transitions",
    "overwriting",
    "errors",
    "tracebacks",
    "payloads",
    "serializers",
    "metadata",
    "waits",
    "groups",
    "chords",
    "chord_errors",
    "forgetting",
    "expiry",
    "identifiers",
    "concurrency",
    "content_security",
    "connection_loss",
    "retries",
    "pooling",
    "result_settings",
    "chord_settings",
    "redis_settings",
    "database_settings",
    "mongodb_settings",
)

_HOMES: Final = {"Test" + topic.title().replace("_", ""): topic for topic in TOPICS}

__all__ = [*_HOMES, "check", "except_on"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
