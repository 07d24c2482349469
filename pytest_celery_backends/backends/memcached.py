"""Memcached: a key prefix for each namespace. It knows no passwords, so a private one is on loopback only."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..capabilities import Capability, no
from ..celery_release import celery_release
from ..memcache_sockets import close_in_each_thread
from ..probes.memcached import MemcachedProbe, address, client_command, identify, sweep
from ..sources import Container, External, Identity, Local, Place, Program
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.memcached import watching


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    host, port = address(service.url)
    return {
        "result_backend": f"cache+memcached://{host}:{port}/",
        # A prefix in the user's options for the client would hide the keys from the probe.
        "cache_backend_options": {},
        "result_backend_transport_options": {"global_keyprefix": f"{namespace.name}:"},
    }


def _command(place: Place) -> Sequence[str]:
    root = ("-u", "root") if os.geteuid() == 0 else ()
    return ("memcached", "-l", place.host, "-p", str(place.port), "-U", "0", "-m", "64", "-t", "2", *root)


def _identify_binary(text: str) -> Identity:
    found = re.search(r"memcached (\d+(?:\.\d+)*)", text)
    if found is None:
        raise ValueError(text)
    return Identity(product="Memcached", version=found[1])


_PROGRAM: Final = Program(
    binaries=("memcached",),
    command=_command,
    url=lambda place: f"memcached://{place.host}:{place.port}",
    identify_binary=_identify_binary,
    stop_signal="SIGKILL",  # it has nothing to save, and takes a second for SIGTERM
)

_DRIVER: Final = Driver(module="pymemcache", distribution="pymemcache")
#: What Celery itself used before 5.7; our own reader uses the other one on every release.
_OLD_DRIVER: Final = Driver(module="memcache", distribution="python-memcached")

SPEC: Final = BackendSpec(
    name="memcached",
    title="Memcached",
    scheme="cache+memcached",
    sources=(
        External(schemes=("memcached", "cache+memcached"), example="memcached://localhost:11211"),
        Container(
            image="memcached",
            tag="1.6.38",
            port=11211,
            url=lambda place: f"memcached://{place.host}:{place.port}",
            command=lambda place: ("memcached", "-U", "0", "-m", "64"),
        ),
        Local(program=_PROGRAM, package="memcached"),
    ),
    identify=identify,
    settings=_settings,
    probe=MemcachedProbe,
    traffic=watching,
    sweep=sweep,
    adapt=close_in_each_thread,
    drivers=(_DRIVER,) if celery_release() >= (5, 7) else (_DRIVER, _OLD_DRIVER),
    extra="memcached",
    client_command=client_command,
    limits={Capability.COMPRESSION: no("Celery compresses no results in caches")},
)
