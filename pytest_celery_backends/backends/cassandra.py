"""Apache Cassandra: a keyspace for each namespace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from ..capabilities import Capability, no
from ..celery_release import limits, since
from ..probes.cassandra import PORT, TABLE, CassandraProbe, identify, login_of, sweep
from ..sources import Container, External
from ..spec import BackendSpec, Driver, Namespace, Service


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    """Celery has no URL for Cassandra but ``cassandra://``: everything is a setting."""
    parts, login = urlsplit(service.url), dict(login_of(service.url))
    return {
        "result_backend": "cassandra://",
        "cassandra_servers": [parts.hostname or "localhost"],
        "cassandra_port": parts.port or PORT,
        "cassandra_keyspace": namespace.name,
        "cassandra_table": TABLE,
        "cassandra_auth_provider": "PlainTextAuthProvider" if login else None,
        "cassandra_auth_kwargs": login or None,
        "cassandra_secure_bundle_path": None,
        # Production's cluster may want TLS, and data centers that are not here.
        "cassandra_options": {},
    }


SPEC: Final = BackendSpec(
    name="cassandra",
    title="Cassandra",
    scheme="cassandra",
    sources=(
        External(schemes=("cassandra",), example="cassandra://USER:PASSWORD@localhost:9042"),
        # The image lets everybody in; only this machine can reach it.
        Container(
            image="cassandra",
            tag="5.0",
            port=9042,
            url=lambda place: f"cassandra://{place.host}:{place.port}",
            environment=lambda place: {"MAX_HEAP_SIZE": "512M", "HEAP_NEWSIZE": "128M"},
        ),
    ),
    identify=identify,
    settings=_settings,
    probe=CassandraProbe,
    sweep=sweep,
    drivers=(Driver(module="cassandra", distribution="cassandra-driver"),),
    extra="cassandra",
    client_command=lambda url: f"cqlsh {urlsplit(url).hostname} {urlsplit(url).port or PORT}",
    not_verified="no image or package of Cassandra could be had where these tests run",
    limits=limits(
        {
            Capability.BATCH: no("Celery's Cassandra backend reads one row at a time"),
            Capability.COMPRESSION: since(
                (5, 7), "Celery ignores result_compression before 5.7", "celery#10504"
            ),
            Capability.EXPIRY: no(
                "Celery ignores result_expires on Cassandra: only cassandra_entry_ttl counts"
            ),
            Capability.EXTENDED: no(
                "Celery's table on Cassandra has no columns for a task's name and arguments"
            ),
            Capability.GROUPS: no("Celery cannot save groups on Cassandra"),
            Capability.TIME_TRAVEL: no("Cassandra counts a row's time to live itself"),
        }
    ),
)
