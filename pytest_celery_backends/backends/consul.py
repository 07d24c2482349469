"""Consul: a key prefix for each namespace. Celery gives it no password, so a private one is on loopback only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from ..capabilities import Capability, no
from ..probes.consul import PORT, ConsulProbe, client_command, identify, sweep
from ..sources import Container, External
from ..spec import BackendSpec, Driver, Namespace, Service


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    parts = urlsplit(service.url)
    # Celery has no port of its own for it.
    url = service.url if parts.port else parts._replace(netloc=f"{parts.netloc}:{PORT}").geturl()
    return {
        "result_backend": url,
        "result_backend_transport_options": {"global_keyprefix": f"{namespace.name}:"},
    }


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
            url=lambda place: f"consul://{place.host}:{place.port}",
            # The first word is not left to the image; the agent shall not ask the world for newer releases.
            command=lambda place: (
                *("consul", "agent", "-dev", "-client", place.host),
                *("-hcl", "disable_update_check = true"),
            ),
        ),
    ),
    identify=identify,
    settings=_settings,
    probe=ConsulProbe,
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
