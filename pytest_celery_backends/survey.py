"""What could be had here: all backends are asked after at the same time, and none may take long."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final

from .errors import UnknownBackend
from .masking import masked
from .plans import Plan
from .pool import ServicePool
from .provider_kinds import KINDS, ProviderKind
from .registry import Registry
from .selection import Choice
from .sources import Container
from .spec import Availability, BackendSpec, Provider, Service

if TYPE_CHECKING:
    from .options import Options

#: For all answers together, in seconds: with the start of Python and pytest the list takes less than two.
ANSWERS_LIMIT: Final = 1.2
#: For what is on this machine, which answers in milliseconds unless the machine has much else to do.
HERE_LIMIT: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How one backend could be had: ``here`` says from where; where it is empty ``missing`` has the reasons.

    ``remedy`` is the one command that brings what is missing. ``spec`` is None where it cannot be loaded.
    """

    name: str
    spec: BackendSpec | None
    here: str = ""
    missing: tuple[str, ...] = ()
    remedy: str = ""


def survey(
    options: Options, registry: Registry, choices: Sequence[Choice], *, limit: float = ANSWERS_LIMIT
) -> list[Finding]:
    """A finding for each choice, in their order; starts nothing and leaves nothing on disk.

    Arguments:
        options: the values in force: which kinds of provider are asked, and the URLs.
        registry: all known backends.
        choices: the backends to look for, with a pinned version or none.
        limit: seconds after which an engine or a server that has not answered counts as not to be had.
    """
    asked = _Asked(options, limit)
    pool = ServicePool(asked.provider, asked.kind_for, 0)
    specs = [_loaded(registry, choice) for choice in choices]
    for choice, spec in zip(choices, specs, strict=True):
        if isinstance(spec, BackendSpec):
            asked.ask(spec, choice.version)
    return [_finding(choice, spec, pool, asked) for choice, spec in zip(choices, specs, strict=True)]


def _loaded(registry: Registry, choice: Choice) -> BackendSpec | UnknownBackend:
    try:
        return registry.get(choice.name)
    except UnknownBackend as error:  # a package that is broken does not hide all the others
        return error


def _finding(choice: Choice, spec: BackendSpec | UnknownBackend, pool: ServicePool, asked: _Asked) -> Finding:
    if isinstance(spec, UnknownBackend):
        return Finding(name=str(choice), spec=None, missing=(spec.cause, *spec.tried), remedy=spec.remedy)
    plan = pool.plan(spec, choice.version)
    if plan.error is not None:
        missing = plan.error.tried or (plan.error.cause,)  # that it is not to be had is what the list says
        return Finding(name=str(choice), spec=spec, missing=missing, remedy=plan.error.remedy)
    return Finding(name=str(choice), spec=spec, here=asked.described(spec, choice.version, plan))


class _Asked:
    """Providers whose checks run in threads of their own: nobody waits longer than until the limit."""

    def __init__(self, options: Options, limit: float) -> None:
        from .providers.run_directory import RunDirectory

        self._options = options
        self._directory = RunDirectory()  # made at its first use, which a check is not
        self._limit = limit
        self._began = time.monotonic()
        self._providers: dict[ProviderKind, _AskedProvider] = {}

    def kind_for(self, spec: BackendSpec) -> str:
        """The kind of provider asked for."""
        return self._options.provider(spec.name, needs_server=spec.needs_server)

    def provider(self, kind: ProviderKind) -> _AskedProvider:
        """The provider of a kind."""
        if kind not in self._providers:
            from .providers import make_provider

            urls = self._options["celery_backends_url"]
            provider = make_provider(kind, self._directory, urls, keep=False)
            # one engine answers for all images: where it is dead, that is found out once
            turn = Lock() if kind == "container" else nullcontext()
            limit = self._limit if kind in ("external", "container") else HERE_LIMIT
            self._providers[kind] = _AskedProvider(provider, kind, urls, self._began + limit, limit, turn)
        return self._providers[kind]

    def ask(self, spec: BackendSpec, version: str) -> None:
        """Begin to ask everybody who may be needed."""
        asked = self.kind_for(spec)
        for kind in KINDS:
            if asked == kind or (asked == "auto" and kind != "external" and spec.source(kind) is not None):
                self.provider(kind).ask(spec, version)

    def described(self, spec: BackendSpec, version: str, plan: Plan) -> str:
        """The server that would be used."""
        late = [each for each, asked in self._providers.items() if asked.is_late(spec, version)]
        # where it answers in time, this is what would be used
        doubt = f" unless {late[0]} answers: not within {self._limit:g} seconds" if late else ""
        return self._server(spec, version, plan) + doubt

    def _server(self, spec: BackendSpec, version: str, plan: Plan) -> str:
        kind = plan.order[0]
        if kind == "external":
            return f"{plan.identity} (external: {masked(self._options['celery_backends_url'][spec.name])})"
        source = spec.source(kind)
        if not isinstance(source, Container):
            return str(plan)
        found = self.provider(kind).check(spec, version)
        to_do = [", to be pulled"] if found.reason else []
        to_do += [f", or else {found.fallback}"] if found.fallback else []
        return f"{found.image} (container{''.join(to_do)})"


class _AskedProvider:
    """A provider of which only the check is used, once for each backend and version."""

    def __init__(
        self,
        provider: Provider,
        kind: ProviderKind,
        urls: Mapping[str, str],
        until: float,
        limit: float,
        turn: AbstractContextManager[Any],
    ) -> None:
        self._provider = provider
        self._kind = kind
        self._urls = urls
        self._until = until
        self._limit = limit
        self._turn = turn
        self._answers: dict[tuple[str, str], Future[Availability]] = {}
        self._late: set[tuple[str, str]] = set()

    def ask(self, spec: BackendSpec, version: str) -> Future[Availability]:
        """Begin to ask, where that was not done before."""
        key = spec.name, version
        if key not in self._answers:
            answer: Future[Availability] = Future()
            self._answers[key] = answer
            # daemon: what hangs does not hold up the end of the process
            Thread(target=self._answer, args=(answer, spec, version), daemon=True).start()
        return self._answers[key]

    def check(self, spec: BackendSpec, version: str) -> Availability:
        """The answer, or that there is none yet."""
        try:
            return self.ask(spec, version).result(timeout=max(0.0, self._until - time.monotonic()))
        except NoAnswer:
            self._late.add((spec.name, version))
            remedy = "docker info" if self._kind == "container" else f"pytest --celery-backends={spec.name}"
            at = f" at {masked(self._urls[spec.name])}" if self._kind == "external" else ""
            reason = f"no answer within {self._limit:g} seconds{at}"
            return Availability(works=False, reason=reason, remedy=remedy)

    def is_late(self, spec: BackendSpec, version: str) -> bool:
        """Whether the answer did not come in time."""
        return (spec.name, version) in self._late

    def start(self, spec: BackendSpec, version: str, timeout: float) -> Service:
        """Not for a survey."""
        return self._provider.start(spec, version, timeout)

    def stop(self, service: Service) -> None:
        """Not for a survey."""
        self._provider.stop(service)

    def logs(self, service: Service) -> str:
        """Not for a survey."""
        return self._provider.logs(service)

    def _answer(self, answer: Future[Availability], spec: BackendSpec, version: str) -> None:
        with self._turn:
            answer.set_result(_told(lambda: self._provider.check(spec, version)))


def _told(check: Callable[[], Availability]) -> Availability:
    """The answer; an error that nobody foresaw is the reason of its row, and of no other."""
    from .providers.readiness import one_line

    try:
        return check()
    except Exception as error:
        return Availability(works=False, reason=f"{type(error).__name__}: {one_line(error)}")
