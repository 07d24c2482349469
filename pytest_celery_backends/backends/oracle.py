"""Oracle Database: a user, which is a schema, for each namespace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..database_limits import DATABASE_LIMITS
from ..probes.oracle import client_command, identify, probe, schema_url, sweep
from ..sessions import own_sessions
from ..sources import Container, External, Place
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.alchemy import watching


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    url = schema_url(service.url, namespace.name)
    return {"result_backend": f"db+{url}", "database_table_schemas": {}}


def _url(place: Place) -> str:
    return f"oracle://system:{place.password}@{place.host}:{place.port}/?service_name=FREEPDB1"


SPEC: Final = BackendSpec(
    name="oracle",
    title="Oracle Database",
    scheme="db+oracle+oracledb",
    sources=(
        External(
            schemes=("oracle", "oracle+oracledb", "db+oracle", "db+oracle+oracledb"),
            example="oracle://USER:PASSWORD@localhost:1521/?service_name=FREEPDB1",
        ),
        Container(
            image="gvenzl/oracle-free",
            tag="23-slim-faststart",
            port=1521,
            url=_url,
            environment=lambda place: {"ORACLE_PASSWORD": place.password},
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
        Driver(module="oracledb", distribution="oracledb"),
    ),
    extra="oracle",
    client_command=client_command,
    not_verified="no test of ours ever ran on an Oracle Database: settings and URLs are tested, statements are not",
    limits=DATABASE_LIMITS,
)
