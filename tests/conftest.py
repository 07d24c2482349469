"""Shared by all tests of the project."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from pytest_celery_backends import BackendSpec, Namespace, Registry, Service

pytest_plugins = ["pytester"]

#: Instead of the user's own cache, also in the processes that tests start.
if "PYTEST_CELERY_BACKENDS_CACHE" not in os.environ:
    os.environ["PYTEST_CELERY_BACKENDS_CACHE"] = tempfile.mkdtemp(prefix="pcb-cache-")
    atexit.register(shutil.rmtree, os.environ["PYTEST_CELERY_BACKENDS_CACHE"], ignore_errors=True)

#: Backends of ``tests/celery/broken.py``, by the name under which tests ask for them.
BROKEN: Final = {
    "drops-success": {
        "redis": "Redis",
        "postgres": "Database",
        "sqlite": "Database",
        "filesystem": "Files",
        "rpc-memory": "Rpc",
        "memory": "Cache",
    },
    "drops-started": {
        "redis": "Redis",
        "postgres": "Database",
        "sqlite": "Database",
        "filesystem": "Files",
        "rpc-memory": "Rpc",
        "memory": "Cache",
    },
    "skips-started": {"redis": "Redis"},
    "keeps-forgotten": {
        "redis": "Redis",
        "postgres": "Database",
        "sqlite": "Database",
        "filesystem": "Files",
        "memory": "Cache",
    },
    "changes-values": {
        "redis": "Redis",
        "postgres": "Database",
        "sqlite": "Database",
        "filesystem": "Files",
        "rpc-memory": "Rpc",
        "memory": "Cache",
    },
    "lies-to-others": {"redis": "Redis", "sqlite": "Database"},
    "loses-tracebacks": {"redis": "Redis", "memory": "Cache"},
    "reads-twice": {"redis": "Redis", "sqlite": "Database", "memory": "Cache"},
    "connects-anew": {"redis": "Redis", "sqlite": "Database"},
    "never-cleans": {"postgres": "Database", "sqlite": "Database", "filesystem": "Files"},
    "cleans-everything": {"postgres": "Database", "sqlite": "Database", "filesystem": "Files"},
    "cleanup-fails": {"filesystem": "Files"},
    "accepts-all": {"redis": "Redis"},
    "never-expires": {"redis": "Redis"},
    "expires-early": {"redis": "Redis"},
    "refuses": {"memory": "Cache"},
    "refuses-ends": {"memory": "Cache", "redis": "Redis", "sqlite": "Database"},
    "cuts-short": {"memory": "Cache", "filesystem": "Files"},
    "never-compresses": {"redis": "Redis", "filesystem": "Files"},
    "drops-revoked": {"memory": "Cache", "redis": "Redis"},
    "refuses-revoked": {"memory": "Cache"},
    "refuses-to-forget": {"memory": "Cache"},
    "refuses-steps": {"memory": "Cache"},
    "drops-steps": {"memory": "Cache", "sqlite": "Database"},
    "flattens-errors": {"memory": "Cache", "redis": "Redis", "sqlite": "Database"},
    "repeats-bodies": {"memory": "Cache"},
    "returns-late": {"filesystem": "Files"},
}


def pytest_celery_backends_register(registry: Registry) -> None:
    """Register each broken backend as ``<backend>-<what is wrong>``."""
    for wrong, prefixes in BROKEN.items():
        kind = "".join(word.capitalize() for word in wrong.split("-"))
        for name, prefix in prefixes.items():
            registry.register(_broken(registry.get(name), f"{name}-{wrong}", f"broken:{prefix}{kind}"))


def _broken(spec: BackendSpec, name: str, path: str) -> BackendSpec:
    def settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
        given = dict(spec.settings(service, namespace))
        url = given["result_backend"].removeprefix("db+").removeprefix("cache+")
        return {**given, "result_backend": f"{path}+{url}"}

    return replace(spec, name=name, settings=settings)
