"""Microsoft SQL Server: a database for each namespace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..database_limits import DATABASE_LIMITS
from ..probes.mssql import client_command, database_url, identify, probe, sweep
from ..sessions import own_sessions
from ..sources import Container, External, Place
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.alchemy import watching


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    url = database_url(service.url, namespace.name)
    return {"result_backend": f"db+{url}", "database_table_schemas": {}}


def _password(place: Place) -> str:
    """The server wants three kinds of characters, and ours has two."""
    return f"A{place.password}"


SPEC: Final = BackendSpec(
    name="mssql",
    title="SQL Server",
    scheme="db+mssql+pymssql",
    sources=(
        External(
            schemes=("mssql", "mssql+pymssql", "db+mssql", "db+mssql+pymssql"),
            example="mssql://USER:PASSWORD@localhost:1433/DATABASE",
        ),
        Container(
            image="mcr.microsoft.com/mssql/server",
            tag="2022-CU14-ubuntu-22.04",
            port=1433,
            url=lambda place: f"mssql://sa:{_password(place)}@{place.host}:{place.port}/master",
            environment=lambda place: {"ACCEPT_EULA": "Y", "MSSQL_SA_PASSWORD": _password(place)},
        ),
    ),
    identify=identify,
    settings=_settings,
    probe=probe,
    traffic=watching,
    sweep=sweep,
    adapt=own_sessions,
    drivers=(
        Driver(module="sqlalchemy", distribution="SQLAlchemy"),
        Driver(module="pymssql", distribution="pymssql"),
    ),
    extra="mssql",
    client_command=client_command,
    not_verified="no test of ours ever ran on a SQL Server: settings and URLs are tested, statements are not",
    limits=DATABASE_LIMITS,
)
