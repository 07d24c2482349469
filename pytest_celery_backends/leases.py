"""The leases of a run: made on demand, reused, closed before the servers go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import count
from typing import Any, Final

from celery.app.backends import BACKEND_ALIASES
from celery.utils.imports import symbol_by_name

from . import broker, namespaced_amqp
from .errors import BackendsError
from .lease import Lease
from .spec import BackendSpec, Namespace, Service
from .worker import JoinGuard

#: How many idle leases are kept; tests with settings of their own make one each.
KEPT: Final = 12


class Leases:
    """Hands out leases.

    Arguments:
        run: an id that no other process has; part of every namespace.
        keep: leave the namespaces and what is in them when leases are closed.
    """

    def __init__(self, run: str, *, keep: bool = False) -> None:
        self._run = run
        self._keep = keep
        self._numbers = count(1)
        self._leases: list[Lease] = []
        self._guard = JoinGuard()
        self.takes = 0  #: how often a lease was taken

    @contextmanager
    def taken(
        self, app: Any, spec: BackendSpec, service: Service, settings: Mapping[str, Any]
    ) -> Iterator[Lease]:
        """A lease for the length of a block."""
        lease = self._find(app, service, settings) or self._make(app, spec, service, settings)
        self.takes += 1
        lease.taken_as = self.takes
        lease.take()
        try:
            yield lease
        finally:
            try:
                lease.release()
            finally:
                self._put_back(lease)

    def backends(self, service: Service, since: int) -> int:
        """How many backend objects of leases that were taken since the take of that number talk to a service."""
        taken = (lease for lease in self._leases if lease.taken_as >= since and lease.service == service)
        return sum(len(lease.backends) for lease in taken)

    def _find(self, app: Any, service: Service, settings: Mapping[str, Any]) -> Lease | None:
        for lease in self._leases:
            same = lease.app is app and lease.service == service and lease.own_settings == dict(settings)
            if same and not lease.is_taken and not lease.is_spent:
                return lease
        return None

    def _make(self, app: Any, spec: BackendSpec, service: Service, settings: Mapping[str, Any]) -> Lease:
        namespace = Namespace(name=f"{self._run}_{next(self._numbers)}")
        lease = Lease(app, spec, service, settings, namespace, self._guard)
        self._leases.append(lease)
        return lease

    def _put_back(self, lease: Lease) -> None:
        self._leases.remove(lease)
        if lease.is_spent:
            lease.close(keep=self._keep)
            return
        self._leases.append(lease)  # the most recently used is last
        idle = [lease for lease in self._leases if not lease.is_taken]
        for oldest in idle[: max(0, len(idle) - KEPT)]:
            self._leases.remove(oldest)
            oldest.close(keep=self._keep)

    def close(self, is_dead: Callable[[Service], bool] = lambda service: False) -> None:
        """Close every lease, also where closing one fails; raises the first failure after that.

        What fails on a server that *is_dead* fails because of that, and is no failure of its own.
        """
        failures: list[Exception] = []
        while self._leases:
            lease = self._leases.pop()
            try:
                lease.close(keep=self._keep)
            except Exception as failure:
                if isinstance(failure, BackendsError) or not is_dead(lease.service):
                    failures.append(failure)
        broker.uninstall()
        namespaced_amqp.uninstall()
        if failures:
            raise failures[0]


def load_backend(spec: BackendSpec) -> None:
    """Import what Celery and its driver need for a backend; what is missing is told by the test that needs it."""
    with suppress(ImportError, ValueError):
        symbol_by_name(spec.scheme.partition("+")[0], BACKEND_ALIASES)
        for driver in spec.drivers:
            import_module(driver.module)
