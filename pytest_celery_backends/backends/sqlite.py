"""SQLite: a file for each namespace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..database_limits import DATABASE_LIMITS
from ..probes.sqlite import file_of, identify, probe
from ..sessions import own_sessions
from ..sources import BuiltIn
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.alchemy import watching


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    # Not :memory:, which would be another, empty database for each of Celery's connections. SQLite has no
    # schemas: one in the user's settings would be an error.
    return {"result_backend": f"db+sqlite:///{file_of(service, namespace)}", "database_table_schemas": {}}


SPEC: Final = BackendSpec(
    name="sqlite",
    title="SQLite",
    scheme="db+sqlite",
    sources=(BuiltIn(url=lambda directory: f"sqlite:///{directory}", directory=True),),
    identify=identify,
    settings=_settings,
    probe=probe,
    traffic=watching,
    adapt=own_sessions,
    drivers=(Driver(module="sqlalchemy", distribution="SQLAlchemy"),),
    extra="sqlite",
    limits=DATABASE_LIMITS,
)
