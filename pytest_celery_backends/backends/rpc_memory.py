"""Results as messages, over the in-process broker: a virtual host for each namespace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..capabilities import Capability, no
from ..celery_release import limits, since
from ..probes.queues import QueuesProbe, identify
from ..sources import BuiltIn
from ..spec import BackendSpec, Namespace, Service
from ..traffic.amqp import watching

#: The broker's URL without its virtual host; the transport of that name comes with this package.
_BROKER: Final = "in-process://localhost/"


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    return {"result_backend": "rpc://"}


SPEC: Final = BackendSpec(
    name="rpc-memory",
    title="In-process broker",
    scheme="rpc",
    sources=(BuiltIn(url=lambda directory: _BROKER),),
    identify=identify,
    settings=_settings,
    probe=QueuesProbe,
    traffic=watching,
    limits=limits(
        {
            Capability.ANY_READER: no("only the app that sent a task has the queue with its result"),
            Capability.CHORDS: no("Celery refuses chords on rpc://"),
            Capability.COMPRESSION: no("Celery compresses no results that are messages"),
            Capability.EXPIRY: no("a reply queue expires as a whole once it is idle, a single result never"),
            Capability.EXTENDED: since(
                (5, 7), "Celery sends no name and arguments with an rpc result before 5.7", "celery#10431"
            ),
            Capability.FORGET: no("forget() drops what this client received, nothing in the queue"),
            Capability.GROUPS: no("Celery cannot save groups on rpc://"),
            Capability.PERSISTENCE: no("a reply queue goes with the process that reads it"),
            Capability.REREAD: no("a result is a message: once it was taken it is gone"),
        }
    ),
)
