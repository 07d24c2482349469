"""Consul: a key prefix for each namespace. Celery gives it no password, so a private one is on loopback only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from ..capabilities import Capability, no
from ..probes.consul import PORT, ConsulProbe, client_command, identify, sweep
from ..sources import Container, External, Identity, Local, Place, Program
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.http import watching

#: Consul 1.14 and later listen on one more port, unless they are told not to by a flag that older ones refuse.
_SCRIPT: Final = """\
case $("$0" agent -help 2>&1) in
*-grpc-tls-port*) set -- "$@" -grpc-tls-port -1 ;;
esac
exec "$0" "$@"
"""


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    parts = urlsplit(service.url)
    # Celery has no port of its own for it.
    url = service.url if parts.port else parts._replace(netloc=f"{parts.netloc}:{PORT}").geturl()
    return {
        "result_backend": url,
        "result_backend_transport_options": {"global_keyprefix": f"{namespace.name}:"},
    }


def _agent(place: Place) -> Sequence[str]:
    # It shall not ask the world for newer releases.
    return ("agent", "-dev", "-client", place.host, "-hcl", "disable_update_check = true")


def _command(place: Place) -> Sequence[str]:
    """The ports that a server alone has no use for are off."""
    http, server, gossip = map(str, place.ports)
    used = ("-bind", place.host, "-http-port", http, "-server-port", server, "-serf-lan-port", gossip)
    unused = ("-serf-wan-port", "-1", "-dns-port", "-1", "-grpc-port", "-1")
    return ("/bin/sh", "-c", _SCRIPT, str(place.binaries / "consul"), *_agent(place), *used, *unused)


def _url(place: Place) -> str:
    return f"consul://{place.host}:{place.port}"


def _identify_binary(text: str) -> Identity:
    found = re.match(r"Consul v(\d+(?:\.\d+)*)", text)
    if found is None:
        raise ValueError(text)
    return Identity(product="Consul", version=found[1])


_PROGRAM: Final = Program(
    binaries=("consul",),
    command=_command,
    url=_url,
    identify_binary=_identify_binary,
    ports=3,
    stop_signal="SIGKILL",  # all is in memory
)

SPEC: Final = BackendSpec(
    name="consul",
    title="Consul",
    scheme="consul",
    sources=(
        External(schemes=("consul",), example="consul://localhost:8500"),
        Container(
            image="hashicorp/consul",
            tag="1.8",
            port=PORT,
            url=_url,
            command=lambda place: ("consul", *_agent(place)),  # the first word is not left to the image
        ),
        Local(program=_PROGRAM),
    ),
    identify=identify,
    settings=_settings,
    probe=ConsulProbe,
    traffic=watching,
    sweep=sweep,
    drivers=(Driver(module="consul", distribution="python-consul2"),),
    extra="consul",
    client_command=client_command,
    limits={
        Capability.BATCH: no("Celery's Consul backend reads one key at a time"),
        Capability.COMPRESSION: no("Celery compresses no results in Consul"),
        Capability.CUSTOM_STATES: no(
            "Celery locks a key with a new session for each state, so that Consul keeps a task's first state and "
            "drops all others: after STARTED, RETRY or a state of your own no SUCCESS is stored"
        ),
    },
)
