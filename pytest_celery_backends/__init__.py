"""Run a team's own Celery tests on real result backends: ``@pytest.mark.backends("redis", "postgres")``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .assertions.limits import SizeLimit as SizeLimit
    from .assertions.table import RoundTripTable as RoundTripTable
    from .beat import CleanupSchedule as CleanupSchedule
    from .beat import beat_schedule_has_cleanup as beat_schedule_has_cleanup
    from .capabilities import YES as YES
    from .capabilities import Capability as Capability
    from .capabilities import Verdict as Verdict
    from .capabilities import no as no
    from .capabilities import not_yet as not_yet
    from .checks import check as check
    from .checks import except_on as except_on
    from .conflicts import Conflict as Conflict
    from .errors import BackendsError as BackendsError
    from .errors import Unsupported as Unsupported
    from .errors import WaitTimeout as WaitTimeout
    from .faults import fail_over as fail_over
    from .registry import Registry as Registry
    from .result_backend import ResultBackend as ResultBackend
    from .result_service import ResultService as ResultService
    from .result_worker import ResultWorker as ResultWorker
    from .spec import BackendSpec as BackendSpec
    from .spec import Namespace as Namespace
    from .spec import Service as Service
    from .spec import StoredResult as StoredResult
    from .state_patterns import times as times
    from .timeline import Observation as Observation
    from .timeline import Timeline as Timeline
    from .trip import RoundTrip as RoundTrip

__version__: Final = "0.1.0"

#: Public names, imported when they are first asked for: a run that uses none of them pays for none.
_HOMES: Final = {
    "beat": ("CleanupSchedule", "beat_schedule_has_cleanup"),
    "assertions.limits": ("SizeLimit",),
    "assertions.table": ("RoundTripTable",),
    "capabilities": ("YES", "Capability", "Verdict", "no", "not_yet"),
    "checks": ("check", "except_on"),
    "conflicts": ("Conflict",),
    "errors": ("BackendsError", "Unsupported", "WaitTimeout"),
    "faults": ("fail_over",),
    "registry": ("Registry",),
    "result_backend": ("ResultBackend",),
    "result_service": ("ResultService",),
    "result_worker": ("ResultWorker",),
    "spec": ("BackendSpec", "Namespace", "Service", "StoredResult"),
    "state_patterns": ("times",),
    "timeline": ("Observation", "Timeline"),
    "trip": ("RoundTrip",),
}

__all__ = sorted(name for names in _HOMES.values() for name in names)


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
