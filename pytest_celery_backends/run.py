"""What one run of pytest has: its options, its backends, its services and its leases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .lease import Lease
    from .leases import Leases
    from .options import Options
    from .plans import Plan
    from .pool import ServicePool
    from .provider_kinds import ProviderKind
    from .providers.run_directory import RunDirectory
    from .providers.visits import Visits
    from .registry import Registry
    from .selection import Choice
    from .spec import BackendSpec, Provider, Service
    from .store import Address, ServiceStore, SharedPool

ANSWER_LIMIT: Final = 2.0  #: how long a server that may be gone is given, in seconds


class Run:
    """Made when pytest is configured; everything expensive is made at its first use.

    Arguments:
        options: the values in force.
        announce_registry: lets plugins and conftests add backends to a new registry.
        shared: where another process has the servers, and the name of this process there.
    """

    def __init__(
        self,
        options: Options,
        announce_registry: Callable[[Registry], object],
        shared: tuple[Address, str] | None = None,
    ) -> None:
        self.options = options
        self._announce_registry = announce_registry
        self._shared = shared
        self._making = threading.RLock()  # services start in threads
        self.kept: list[str] = []
        self.said_at_end: list[str] = []
        self._visited: list[Service] = []
        self.has_said_foreign = False

    # -- what tests run on

    @cached_property
    def registry(self) -> Registry:
        """All backends, those of conftests included."""
        from .registry import Registry

        registry = Registry()
        self._announce_registry(registry)
        return registry

    def choices(self, marked: Sequence[str] | None) -> list[Choice]:
        """The backends of a test with these names in its marker; None without a marker."""
        from .selection import choices

        return choices(marked, self.options["celery_backends"], self.registry)

    def is_selected(self, choice: Choice) -> bool:
        """Whether the options let it run."""
        from .selection import is_selected

        return is_selected(choice, self.options, self.registry)

    def check_names(self) -> None:
        """See that the options name backends that exist, once conftests have added theirs; raises BadOption."""
        from .selection import check_names

        check_names(self.options, self.registry)

    def spec(self, choice: Choice) -> BackendSpec:
        """The spec of a choice."""
        return self.registry.get(choice.name)

    # -- services

    @cached_property
    def directory(self) -> RunDirectory:
        """Where private servers live; dead runs' leftovers are swept when it is first needed."""
        from .providers.run_directory import RunDirectory

        directory = RunDirectory()
        directory.sweep()
        return directory

    @cached_property
    def pool(self) -> ServicePool | SharedPool:
        """The services of the run, or the way to them."""
        if self._shared is None:
            return self._own_pool
        from .store import SharedPool

        address, process = self._shared
        return SharedPool(address, self._own_pool, process)

    @cached_property
    def _own_pool(self) -> ServicePool:
        from .pool import ServicePool

        timeout = self.options["celery_backends_timeout"]
        return ServicePool(self._provider, self._kind_for, timeout, self._sweep_external)

    @cached_property
    def store(self) -> ServiceStore:
        """Answers other processes, from now on."""
        from .store import ServiceStore

        return ServiceStore(self._own_pool, self.registry, self.directory.path)

    def _kind_for(self, spec: BackendSpec) -> str:
        return self.options.provider(spec.name, needs_server=spec.needs_server)

    def _provider(self, kind: ProviderKind) -> Provider:
        from .providers import make_provider

        with self._making:
            return make_provider(
                kind,
                self.directory,
                self.options["celery_backends_url"],
                keep=self.options["celery_backends_keep"],
                tell=self._own_pool.note,
            )

    def plan(self, choice: Choice) -> Plan:
        """How a choice would be had; starts nothing."""
        return self.pool.plan(self.spec(choice), choice.version)

    def service(self, choice: Choice) -> Service:
        """The running service of a choice; raises Unavailable or StartFailed."""
        service = self.pool.service(self.spec(choice), choice.version)
        if service.provider == "external" and service not in self._visited:
            self._visited.append(service)
            self.visits.note(service.backend, service.url)
        return service

    @cached_property
    def visits(self) -> Visits:
        """Which runs wrote on servers that were given by URL."""
        from .providers.visits import Visits

        return Visits(self.directory.path.parent, self.directory.id)

    def _sweep_external(self, service: Service) -> None:
        """Remove what dead runs, and dead processes of this run, left on a server that is not ours."""
        if service.provider != "external":
            return
        with self._making:
            visits = self.visits
        for dead in visits.dead(service.backend, service.url):
            self.registry.get(service.backend).sweep(service.url, f"{namespace_prefix(dead)}_")
            visits.forget(dead, service.backend, service.url)

    # -- leases

    @cached_property
    def leases(self) -> Leases:
        """The leases of the run."""
        from .leases import Leases

        return Leases(namespace_prefix(self.directory.id), keep=self.options["celery_backends_keep"])

    @contextmanager
    def lease(self, choice: Choice, app: Any, settings: Mapping[str, Any]) -> Iterator[Lease]:
        """The app wired to the choice's service, with a worker, for the length of a block."""
        service = self.service(choice)
        with ExitStack() as taken:
            with self._while_it_answers(choice, service):
                lease = taken.enter_context(self.leases.taken(app, self.spec(choice), service, settings))
            yield lease
            with self._while_it_answers(choice, service):
                taken.close()

    @contextmanager
    def _while_it_answers(self, choice: Choice, service: Service) -> Iterator[None]:
        """Say of a driver's error that the server is gone, where it is; later tests are told at once."""
        from .errors import BackendsError

        try:
            yield
        except BackendsError:
            raise
        except Exception as error:
            if self._answers(service):
                raise
            gone = self.pool.gone(self.spec(choice), choice.version, type(error).__name__)
        else:
            return
        raise gone

    def _answers(self, service: Service) -> bool:
        from .plans import answers

        return answers(self.registry.get(service.backend), service, ANSWER_LIMIT)

    # -- the end

    def close(self) -> None:
        """Close leases, then stop services, then remove the directory; may be called twice."""
        own: Any = self.__dict__.get("_own_pool")
        with ExitStack() as last:
            last.callback(self._forget)
            if "directory" in self.__dict__:
                last.callback(self.directory.close)
            if own is not None and self.options["celery_backends_keep"]:
                last.callback(self._keep, own)
                last.callback(own.settle)
            elif own is not None:
                last.callback(own.stop_all)
            if "store" in self.__dict__:
                last.callback(self._sweep_after_others, own)
                last.callback(self.store.close)
            if "leases" in self.__dict__:
                self.leases.close(lambda service: not self._answers(service))
            if "visits" in self.__dict__:
                self.visits.leave()

    def _keep(self, own: ServicePool) -> None:
        from .keeping import how_to_reach_all

        self.kept += how_to_reach_all(own.running, self.registry)
        if any("directory" in each.handle for each in own.running):
            self.directory.keep()

    def _sweep_after_others(self, own: ServicePool) -> None:
        for service in filter(self._answers, own.running):
            self._sweep_external(service)

    def _forget(self) -> None:
        for part in ("directory", "pool", "_own_pool", "store", "leases", "visits"):
            self.__dict__.pop(part, None)


def namespace_prefix(run: str) -> str:
    """What the names of a run's namespaces begin with.

    >>> namespace_prefix("pcb-1f2e3d4c")
    'pcb_1f2e3d4c'
    """
    return run.replace("-", "_")
