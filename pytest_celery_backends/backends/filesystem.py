"""Files: a directory for each namespace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..capabilities import Capability, no, not_yet
from ..celery_release import limits, since
from ..probes.files import FilesProbe, directory_of, identify
from ..sources import BuiltIn
from ..spec import BackendSpec, Namespace, Service
from ..traffic.stores import watching


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    return {
        "result_backend": f"file://{directory_of(service, namespace)}",
        "result_backend_transport_options": {"global_keyprefix": ""},
    }


SPEC: Final = BackendSpec(
    name="filesystem",
    title="Files",
    scheme="file",
    sources=(BuiltIn(url=lambda directory: f"file://{directory}", directory=True),),
    identify=identify,
    settings=_settings,
    probe=FilesProbe,
    traffic=watching,
    limits=limits(
        {
            Capability.BATCH: no("Celery opens one file for each result"),
            Capability.COMPRESSION: since(
                (5, 7), "Celery ignores result_compression before 5.7", "celery#10504"
            ),
            Capability.FORGET_ABSENT: not_yet(
                "forget() raises FileNotFoundError where nothing is stored", "celery#10678"
            ),
        }
    ),
)
