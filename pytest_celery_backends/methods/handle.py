"""What every family of assertions stands on: the lease of the test, and what it is called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Protocol

from .. import activity
from ..assertions.subject import Subject, failed, still_given
from ..capabilities import Capability
from ..errors import WaitTimeout
from ..lease import Lease
from ..leases import Leases
from ..masking import SecretUrl, shown_masked
from ..provider_kinds import ProviderKind
from ..result_service import ResultService
from ..spec import BackendSpec, StoredResult
from ..timeline import DEFAULT_TIMEOUT

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


class Neighbours(Protocol):
    """The other backends of the run, by the names that users write."""

    def spec(self, name: str) -> BackendSpec:
        """What is known of one; raises UnknownBackend."""

    def lease(self, name: str, settings: Mapping[str, Any]) -> AbstractContextManager[Lease]:
        """The test's app on one, with the test's settings there and these on top; raises Unavailable."""

    def skips_unavailable(self, name: str) -> bool:
        """Whether the options say that one which cannot be had is no failure."""


class Handle:
    """The backend of one test, without assertions."""

    def __init__(self, lease: Lease, leases: Leases, service: ResultService, neighbours: Neighbours) -> None:
        self._given = lease
        self._turn = lease.turn
        self._leases = leases
        self._take = lease.taken_as
        self._neighbours = neighbours
        product = "" if service.product == lease.spec.title else service.product
        self._subject = Subject(backend=lease.spec.name, version=service.version, product=product)
        self.service = service

    @property
    def _lease(self) -> Lease:
        return still_given(self._given, self._turn, "result_backend")

    @property
    def name(self) -> str:
        """The backend's name, as in the marker."""
        return self._given.spec.name

    @property
    def subject(self) -> str:
        """The backend as messages name it: "redis 8.0.2", or "redis (Valkey 9.1.2)" where another product answers."""
        return str(self._subject)

    @property
    def version(self) -> str:
        """The server's real version, as it says itself."""
        return self.service.version

    @property
    def provider(self) -> ProviderKind:
        """Where the server came from: external, container, local or embedded."""
        return self.service.provider

    @property
    def url(self) -> str:
        """What ``result_backend`` is set to, namespace and password included; its repr masks the password."""
        return SecretUrl(self._given.settings["result_backend"])

    @property
    def settings(self) -> Mapping[str, Any]:
        """Every Celery setting that this test has on top of the app's own; reprs mask passwords."""
        return {name: shown_masked(value, name) for name, value in self._given.settings.items()}

    @property
    def client(self) -> Any:
        """The driver's own client on the test's namespace: a ``redis.Redis``, a connection, a path..."""
        return self._lease.probe.client

    def supports(self, capability: str | Capability) -> bool:
        """Whether the backend is declared to have a capability, such as "chords"."""
        if isinstance(capability, Capability):
            return bool(self._given.spec.verdict(capability))
        known = {each.label: each for each in Capability}
        label = capability.strip().replace("-", "_").lower()
        if label not in known:
            raise failed(f"no capability is called {capability!r}", [("known", ", ".join(known))])
        return bool(self._given.spec.verdict(known[label]))

    def stored(self) -> list[StoredResult]:
        """Everything in the test's namespace, read out of band."""
        return list(self._lease.probe.stored())

    @contextmanager
    def _with_settings(self, settings: dict[str, Any]) -> Iterator[Lease]:
        with self._alone() as lease:
            wanted = {**lease.own_settings, **settings}
            with self._leases.taken(lease.app, lease.spec, lease.service, wanted) as inner:
                yield inner

    def _on(self, name: str) -> Callable[[dict[str, Any]], AbstractContextManager[Lease]]:
        """Gives leases of the same app on another backend of the run, or on this one."""
        return self._with_settings if name == self.name else partial(self._elsewhere, name)

    @contextmanager
    def _elsewhere(self, name: str, settings: dict[str, Any]) -> Iterator[Lease]:
        with self._alone(), self._neighbours.lease(name, settings) as inner:
            yield inner

    @contextmanager
    def _alone(self) -> Iterator[Lease]:
        """The app is rewired meanwhile, for tasks that run as well: those of the test have to end first."""
        lease = self._lease
        worker = lease.start_worker()
        if not worker.wait_until(lambda: not worker.has_work, DEFAULT_TIMEOUT):
            raise WaitTimeout(
                f"a round trip needs the app for itself, and tasks went on for {DEFAULT_TIMEOUT:g} s",
                tried=activity.described(worker),
                log=activity.stacks(worker),
                remedy="result_worker.drain(timeout=60)  # before the round trip",
            )
        with lease.observing.paused():
            yield lease

    def __repr__(self) -> str:
        return f"<ResultBackend {self._subject} ({self.provider})>"
