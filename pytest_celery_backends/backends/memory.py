"""Celery's cache in the memory of this process: a key prefix for each namespace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..capabilities import Capability, no
from ..probes.memory import MemoryProbe, identify
from ..sources import BuiltIn
from ..spec import BackendSpec, Namespace, Service
from ..traffic.stores import watching


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    return {
        "result_backend": service.url,
        "result_backend_transport_options": {"global_keyprefix": f"{namespace.name}:"},
    }


SPEC: Final = BackendSpec(
    name="memory",
    title="Celery memory cache",
    scheme="cache+memory",
    sources=(BuiltIn(url=lambda directory: "cache+memory://"),),
    identify=identify,
    settings=_settings,
    probe=MemoryProbe,
    traffic=watching,
    limits={
        Capability.ANY_READER: no("results are in the memory of one process"),
        Capability.COMPRESSION: no("Celery compresses no results in caches"),
        Capability.EXPIRY: no("cache+memory:// takes result_expires and never expires anything"),
        Capability.PERSISTENCE: no("results are in the memory of one process"),
    },
)
