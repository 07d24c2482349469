"""MongoDB: a database for each namespace. A server that only speaks its protocol is called by its own name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ..capabilities import Capability, no
from ..celery_release import limits, since
from ..probes.mongodb import MongoProbe, client_command, identify, sweep
from ..python_servers import python_wheel
from ..sources import Container, Embedded, External, Identity, Local, Place, Program
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.mongo import listen, watching

_USER: Final = "celery"
_KEY: Final = "key"
#: SecantusDB takes a user only from a client, and its command line has no place for that. Standalone: a member of
#: a replica set keeps a log of all writes.
_SECANTUS: Final = """\
import sys
from pathlib import Path

from pymongo import MongoClient
from secantus import SecantusDBServer

host, port, user = sys.argv[1:]
with SecantusDBServer(storage_path="data", replica_set_name=None) as server, MongoClient(server.uri) as client:
    client.admin.command("createUser", user, pwd=Path("key").read_text(), roles=["root"])
server = SecantusDBServer(
    host,
    int(port),
    "data",
    replica_set_name=None,
    require_auth=True,
    enable_test_commands=False,
    cache_size="64M",
)
server.start()
server.wait()
"""


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    return {
        "result_backend": urlunsplit(urlsplit(service.url)._replace(path=f"/{namespace.name}")),
        # The user's own host and database have no say in where a test's results go; and without a limit each
        # question to a server that died takes 30 seconds.
        "mongodb_backend_settings": {"options": {"serverSelectionTimeoutMS": 5000}},
    }


def _url(place: Place) -> str:
    return f"mongodb://{_USER}:{place.password}@{place.host}:{place.port}/?authSource=admin"


def _command(place: Place) -> Sequence[str]:
    here = ("--bind_ip", place.host, "--port", str(place.port), "--dbpath", str(place.directory))
    small = ("--wiredTigerCacheSizeGB", "0.25", "--nounixsocket")
    return ("mongod", *here, "--keyFile", str(place.directory / _KEY), *small)


def _identify_binary(text: str) -> Identity:
    found = re.search(r"db version v(\d+(?:\.\d+)*)", text)
    if found is None:
        raise ValueError(text)
    return Identity(product="MongoDB", version=found[1])


#: What members of a cluster log in as is there from the start, with their key for a password: no user has to be
#: made (https://www.mongodb.com/docs/manual/reference/built-in-roles/#mongodb-authrole-__system).
_PROGRAM: Final = Program(
    binaries=("mongod",),
    command=_command,
    files=lambda place: {_KEY: place.password},
    url=lambda place: f"mongodb://__system:{place.password}@{place.host}:{place.port}/?authSource=local",
    identify_binary=_identify_binary,
    stop_signal="SIGKILL",  # there is nothing to save
)

SPEC: Final = BackendSpec(
    name="mongodb",
    title="MongoDB",
    scheme="mongodb",
    sources=(
        External(
            schemes=("mongodb", "mongodb+srv"),
            example="mongodb://USER:PASSWORD@localhost:27017/?authSource=admin",
        ),
        Container(
            image="mongo",
            tag="8.0",
            port=27017,
            url=_url,
            environment=lambda place: {
                "MONGO_INITDB_ROOT_USERNAME": _USER,
                "MONGO_INITDB_ROOT_PASSWORD": place.password,
            },
        ),
        Local(program=_PROGRAM, not_verified="no mongod could be had where these tests run"),
        Embedded(
            wheels=(
                python_wheel(
                    distribution="secantusdb",
                    package="secantus",
                    product="SecantusDB",
                    extra="secantusdb",
                    arguments=lambda place: ("serve.py", place.host, str(place.port), _USER),
                    url=_url,
                    files=lambda place: {_KEY: place.password, "serve.py": _SECANTUS},
                ),
            )
        ),
    ),
    identify=identify,
    settings=_settings,
    probe=MongoProbe,
    traffic=watching,
    adapt=listen,
    sweep=sweep,
    drivers=(Driver(module="pymongo", distribution="pymongo"),),
    extra="mongodb",
    client_command=client_command,
    limits=limits(
        {
            Capability.BATCH: no("Celery's MongoDB backend reads one document at a time"),
            Capability.COMPRESSION: since(
                (5, 7), "Celery ignores result_compression before 5.7", "celery#10504"
            ),
            Capability.GROUPS: no("Celery restores a group from MongoDB as a bare list of its results"),
        }
    ),
)
