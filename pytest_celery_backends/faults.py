"""What goes wrong with servers, on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import Unavailable

if TYPE_CHECKING:
    from .result_backend import ResultBackend


def fail_over(result_backend: ResultBackend, *, timeout: float = 30.0) -> None:
    """Let a replica become the master, as when a cluster is maintained, and wait until clients are sent there.

    Clients lose their connections. What was stored before is kept; what is stored meanwhile may be lost, or
    raise in Celery unless ``result_backend_always_retry`` is set
    (https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-backend-always-retry).

    Arguments:
        result_backend: the fixture; its backend must have a replica, as redis-sentinel has.
        timeout: seconds until everything is in order again.

    Raises:
        Unavailable: it has no replica, or the server was given by URL and is not ours to change.
        WaitTimeout: the servers did not change places in time.
    """
    service = result_backend.service
    if result_backend.name != "redis-sentinel":
        raise Unavailable(
            f"{result_backend.name} has no replica that could take over",
            remedy='@pytest.mark.backends("redis-sentinel")',
        )
    if service.provider == "external":
        raise Unavailable(
            f"a failover of {service!r} is not ours to start",
            remedy="--celery-backends-provider=redis-sentinel=auto",
        )
    from .probes import sentinel

    sentinel.fail_over(service.url, timeout)
