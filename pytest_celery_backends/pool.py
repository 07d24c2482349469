"""The services of a run: each started once, by the first provider that works, and stopped at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from .errors import BackendsError, StartFailed, WaitTimeout, last_lines
from .kept import Kept, together
from .masking import masked
from .plans import Plan, make_plan
from .provider_kinds import ProviderKind
from .sources import Identity
from .spec import BackendSpec, Provider, Service

#: How many of a server's last lines are shown when it fails.
LOG_LINES: Final = 20
#: How long a service on its way up is given to notice that the run ends, in seconds.
SETTLE_SECONDS: Final = 15.0

MakeProvider = Callable[[ProviderKind], Provider]


class ServicePool:
    """Starts services, on demand or ahead of it, and stops them all. Any thread may use it.

    Arguments:
        make_provider: gives the provider of a kind; called once for each kind that is needed.
        kind_for: gives the kind of provider asked for for a backend; "auto" is the first that works.
        timeout: seconds for a server to become ready.
        started: is told of each service before anybody else gets it.
    """

    def __init__(
        self,
        make_provider: MakeProvider,
        kind_for: Callable[[BackendSpec], str],
        timeout: float,
        started: Callable[[Service], None] = lambda service: None,
    ) -> None:
        self._make_provider = make_provider
        self._kind_for = kind_for
        self._timeout = timeout
        self._started = started
        self._providers: dict[ProviderKind, Provider] = {}
        self._plans: dict[tuple[str, str], tuple[threading.Lock, list[Plan]]] = {}
        self._kept: dict[tuple[str, str, str], Kept] = {}
        self._ahead: list[tuple[Kept, threading.Thread]] = []
        self._lock = threading.RLock()
        self._closing = threading.Event()

    def plan(self, spec: BackendSpec, version: str = "") -> Plan:
        """How the backend would be had; starts nothing, and asks each provider once."""
        with self._lock:
            making, made = self._plans.setdefault((spec.name, version), (threading.Lock(), []))
        with making:
            if not made:
                made.append(make_plan(spec, version, self._kind_for(spec), self._provider))
            return made[0]

    def service(self, spec: BackendSpec, version: str = "", owner: str = "") -> Service:
        """The running service, started now if it is not.

        Arguments:
            owner: the process that it is for alone; empty where it is for all.

        Raises Unavailable where nothing can provide it, and StartFailed where it was tried: once, later
        calls only repeat what happened.
        """
        plan = self.plan(spec, version)
        if plan.error is not None:
            raise plan.error
        kept = self._keep(spec, version, owner)
        with kept.starting:
            surprise, kept.surprise = kept.surprise, None
            if surprise is not None:
                raise surprise
            self._start(kept, plan)
            return kept.told()

    def begin(self, spec: BackendSpec, version: str = "", owner: str = "") -> None:
        """Start a service in a thread; what fails is raised by the first call of ``service``."""
        kept = self._keep(spec, version, owner)
        with self._lock:
            if any(kept is begun for begun, _ in self._ahead):
                return
            thread = threading.Thread(
                target=self._start_ahead, args=(kept,), name=f"start {kept}", daemon=True
            )
            self._ahead.append((kept, thread))
            thread.start()

    def wait(self, seconds: float) -> bool:
        """Whether everything that was begun is settled within so many seconds."""
        until = time.monotonic() + seconds
        for _, thread in list(self._ahead):
            thread.join(max(0.0, until - time.monotonic()))
        return not self.progress

    @property
    def progress(self) -> list[str]:
        """What is on its way up: "redis (container, pulling 3 of 9 layers)"."""
        with self._lock:
            return [str(kept) for kept, thread in self._ahead if thread.is_alive()]

    def note(self, backend: str, version: str, text: str) -> None:
        """Something to show of a backend's start; raises StartFailed where the run is ending."""
        with self._lock:
            found = [
                kept for kept in self._kept.values() if (kept.spec.name, kept.version) == (backend, version)
            ]
        for kept in found:
            kept.note = text
        for kept in found:
            self._check_open(kept.spec)

    def gone(self, spec: BackendSpec, version: str, why: str, owner: str = "") -> StartFailed:
        """Note that a service stopped answering in the middle of the run; gives the error to raise."""
        kept = self._kept[spec.name, version, owner]
        service = kept.service
        assert service is not None, "it was running"
        kept.is_told = True
        kept.failure = StartFailed(
            f"{spec.name} stopped answering while tests ran",
            tried=[f"{service} at {masked(service.url)}: {why}"],
            remedy=f"pytest --celery-backends={spec.name} -x",
            log=self.logs(service),
        )
        return kept.failure

    @property
    def running(self) -> list[Service]:
        """The services that were started, in that order."""
        return [kept.service for kept in list(self._kept.values()) if kept.service is not None]

    def logs(self, service: Service) -> str:
        """The last lines that a service printed."""
        return last_lines(self._provider(service.provider).logs(service), LOG_LINES)

    def settle(self) -> None:
        """Start nothing more, and wait until what is on its way has given up; raises WaitTimeout."""
        self._closing.set()
        until = time.monotonic() + SETTLE_SECONDS
        busy = []
        for kept in list(self._kept.values()):
            if kept.starting.acquire(timeout=max(0.0, until - time.monotonic())):
                kept.starting.release()
            else:
                busy.append(str(kept))
        if busy:
            cause = f"still starting {SETTLE_SECONDS:g} s after the run ended: {', '.join(busy)}"
            raise WaitTimeout(cause, remedy="docker ps --filter label=pytest-celery-backends.run")

    def stop_all(self) -> None:
        """Stop everything; raises the first error after all were tried."""
        failures: list[BackendsError] = []
        try:
            self.settle()
        except WaitTimeout as failure:
            failures.append(failure)
        self._stop(list(self._kept.values()), failures)

    def release(self, owner: str) -> None:
        """Stop what was for one process alone; raises the first error after all were tried."""
        self._stop([kept for kept in list(self._kept.values()) if kept.owner == owner], [])

    def _stop(self, those: list[Kept], failures: list[BackendsError]) -> None:
        """Stop these at the same time: each takes a while to end, and uses nothing of the others."""
        if those:
            with ThreadPoolExecutor(max_workers=8) as threads:
                failures = [*failures, *(each for found in threads.map(_stopped, those) for each in found)]
        if failures:
            raise failures[0]

    def _keep(self, spec: BackendSpec, version: str, owner: str) -> Kept:
        with self._lock:
            key = (spec.name, version, owner)
            return self._kept.setdefault(key, Kept(spec=spec, version=version, owner=owner))

    def _provider(self, kind: ProviderKind) -> Provider:
        with self._lock:
            if kind not in self._providers:
                self._providers[kind] = self._make_provider(kind)
            return self._providers[kind]

    def _start_ahead(self, kept: Kept) -> None:
        with kept.starting:
            try:
                plan = self.plan(kept.spec, kept.version)
                if plan.error is None:
                    self._start(kept, plan)
            except Exception as surprise:
                kept.surprise = surprise

    def _start(self, kept: Kept, plan: Plan) -> None:
        """Have the service or its failure; what is no failure of a service is raised."""
        failures: list[StartFailed] = []
        for kind in () if kept.is_settled else plan.order:
            self._check_open(kept.spec)
            kept.trying, kept.note, provider = kind, "", self._provider(kind)
            try:
                service = provider.start(self._while_open(kept.spec), kept.version, self._timeout)
            except StartFailed as failure:
                failures.append(failure)
                continue
            kept.stops.append((provider, service))
            self._started(service)
            kept.service = service
            return
        if failures:
            kept.failure = together(kept.spec, plan, failures)

    def _check_open(self, spec: BackendSpec) -> None:
        if self._closing.is_set():
            raise StartFailed(f"{spec.name} was not started: the run is ending", remedy="pytest")

    def _while_open(self, spec: BackendSpec) -> BackendSpec:
        """The spec for a provider, which gives up at its next question to the server when the run ends."""

        def identify(url: str, limit: float) -> Identity:
            self._check_open(spec)
            return spec.identify(url, limit)

        return replace(spec, identify=identify)


def _stopped(kept: Kept) -> list[BackendsError]:
    """Stop what was started for one backend; gives the errors of what could not be."""
    failures = []
    for provider, service in kept.stops[::-1]:
        try:
            provider.stop(service)
        except BackendsError as failure:
            failures.append(failure)
        else:
            kept.stops.remove((provider, service))
    kept.service = None
    return failures
