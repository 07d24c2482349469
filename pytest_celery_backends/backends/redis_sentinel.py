"""Redis behind three sentinels, with a master and a replica, which can change places.

Celery takes the master's name and the sentinels' own password from ``result_backend_transport_options``:
https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/redis.html#connection-url
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from ..probes import sentinel
from ..probes.redis import RedisProbe
from ..pubsub import mend_pubsub
from ..redis_server import DRIVERS, celery_settings, configuration, family_limits, identify_binary, wheels
from ..sources import Container, External, Local, Place, Program
from ..spec import BackendSpec, Namespace, Service
from ..traffic.redis import watching

_NAME: Final = "main"
_BINARIES: Final = ("redis-server", "valkey-server")
#: All in one process group. Where one ends, all do: one that found its port taken is then started anew.
_SCRIPT: Final = """
for server in {servers}; do command -v "$server" && break; done || exit 127
trap 'trap "" TERM; kill -TERM 0; wait; exit 1' TERM
run() { "$server" "$@"; kill -TERM $$; }
cd "{directory}" || exit 1
for name in master replica; do run "$name.conf" & done
for name in 1 2 3; do run "sentinel-$name.conf" --sentinel & done
wait
"""


def _files(place: Place) -> Mapping[str, str]:
    master, replica, *ports = place.ports
    both = [
        f"masterauth {place.password}",
        f"replica-announce-ip {place.reached_at}",
        "repl-diskless-sync-delay 0",
        f"dir {place.directory}",
    ]
    ids = {port: secrets.token_hex(20) for port in ports}
    watchers = {
        f"sentinel-{number}.conf": _sentinel(place, port, ids) for number, port in enumerate(ports, start=1)
    }
    # In a container the image's own, else those that were chosen and no others that PATH may lead to.
    own = (
        [place.binaries / name for name in _BINARIES]
        if place.binaries != Path()
        else list(map(Path, _BINARIES))
    )
    servers = " ".join(f'"{server}"' for server in own)
    return {
        "start.sh": _SCRIPT.replace("{servers}", servers).replace("{directory}", str(place.directory)),
        "master.conf": configuration(place, master, *both),
        "replica.conf": configuration(place, replica, *both, f"replicaof {place.reached_at} {master}"),
        **watchers,
    }


def _sentinel(place: Place, port: int, ids: Mapping[int, str]) -> str:
    """One that knows the replica and the others: they need not find each other, which takes 2 s."""
    master, replica, *_ = place.ports
    others = [
        f"sentinel known-sentinel {_NAME} {place.reached_at} {other} {name}"
        for other, name in ids.items()
        if other != port
    ]
    lines = [
        f"bind {place.host}",
        f"port {port}",
        f"dir {place.directory}",
        f"requirepass {place.password}",
        f"sentinel myid {ids[port]}",
        f"sentinel announce-ip {place.reached_at}",
        f"sentinel sentinel-pass {place.password}",
        f"sentinel monitor {_NAME} {place.reached_at} {master} 2",
        f"sentinel auth-pass {_NAME} {place.password}",
        # A machine under load must not look like a dead master.
        f"sentinel down-after-milliseconds {_NAME} 3000",
        f"sentinel failover-timeout {_NAME} 5000",
        f"sentinel known-replica {_NAME} {place.reached_at} {replica}",
        *others,
    ]
    return "\n".join([*lines, ""])


def _command(place: Place) -> Sequence[str]:
    return ("/bin/sh", str(place.directory / "start.sh"))


def _url(place: Place) -> str:
    hosts = sentinel.SEPARATOR.join(
        f"sentinel://:{place.password}@{place.host}:{port}/0" for port in place.ports[2:]
    )
    return f"{hosts}?master_name={_NAME}&replicas=1&sentinel_password={place.password}"


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    found = sentinel.watched(service.url)
    settings = celery_settings(sentinel.celery_url(service.url), namespace.name)
    # Up to Celery 5.5 the URL's user is not taken for the servers behind sentinels.
    settings["redis_username"] = found.login.get("username")
    settings["result_backend_transport_options"] |= {
        "master_name": found.master,
        "sentinel_kwargs": dict(found.sentinel_login),
    }
    return settings


_PROGRAM: Final = Program(
    binaries=_BINARIES,
    command=_command,
    files=_files,
    url=_url,
    identify_binary=identify_binary,
    ports=5,
)

SPEC: Final = BackendSpec(
    name="redis-sentinel",
    title="Redis",
    scheme="sentinel",
    sources=(
        External(
            schemes=("sentinel",),
            example="sentinel://:PASSWORD@host1:26379/0;sentinel://:PASSWORD@host2:26379/0?master_name=mymaster",
        ),
        Container(image="redis", tag="8", port=6379, url=_url, command=_command, files=_files, same_ports=5),
        Local(program=_PROGRAM, package="redis-server"),
        wheels(_PROGRAM),
    ),
    identify=sentinel.identify,
    settings=_settings,
    probe=partial(RedisProbe, connect=sentinel.connected),
    traffic=watching,
    is_shared=False,  # a test may fail it over
    sweep=sentinel.sweep,
    adapt=mend_pubsub,
    drivers=DRIVERS,
    extra="redis",
    client_command=sentinel.client_command,
    limits=family_limits(),
)
