"""The data that everything else works on: backends, where their servers come from, what they store."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from .capabilities import YES, Capability, Verdict
from .provider_kinds import ProviderKind
from .round_trips import Traffic
from .sources import BuiltIn, Identity, Source

#: Who uses a backend object: the thread that runs tasks, or any other.
Side = Literal["worker", "client"]

ResultKind = Literal["task", "group", "chord", "message", "other"]

#: What a probe can make an older copy of.
Copied = Literal["task", "group"]


class NotReady(Exception):
    """The server does not answer yet; asking again later may help."""


class Refused(Exception):
    """The server answered, and asking again will not help: wrong password, no such database.

    ``remedy`` is what the user may type, empty where nothing better is known.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True)
class Service:
    """A running server, or a place in this process that serves as one.

    ``handle`` holds plain strings that let any process find and stop it again: ``pid``, ``directory``, ``image``,
    ``container``.
    """

    backend: str
    provider: ProviderKind
    url: str = field(repr=False)
    identity: Identity
    handle: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.identity} ({self.provider})"


@dataclass(frozen=True, kw_only=True)
class Namespace:
    """A part of a service that nobody else has: ``name`` is a valid key prefix, schema and file name."""

    name: str


@dataclass(frozen=True, kw_only=True)
class StoredResult:
    """One thing found in the store, read out of band.

    ``expires_in`` is in seconds; None means that nothing will remove it. ``state`` is empty for what
    is no task's result.
    """

    task_id: str
    kind: ResultKind
    state: str
    raw: bytes = field(repr=False)
    size: int
    expires_in: float | None
    key: str = ""

    def __str__(self) -> str:
        state = f" {self.state}" if self.state else ""
        return f"{self.kind} {self.task_id}{state} ({self.size} bytes) at {self.key}"


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What a namespace has beside what is stored: ``task_id`` is empty where it is no task's."""

    kind: Literal["subscription", "table", "queue"]
    name: str
    task_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a store holds for one task: its state, and the bytes that its result is in."""

    state: str
    raw: bytes = field(repr=False)


class Probe(Protocol):
    """Reads and prepares one namespace of a store, never through the code under test."""

    @property
    def client(self) -> Any:
        """The driver's own client, connected to the namespace's server."""

    def create(self) -> None:
        """Make the namespace, where the store needs that."""

    def empty(self) -> None:
        """Remove everything in the namespace, and nothing else."""

    def drop(self) -> None:
        """Remove the namespace itself and disconnect."""

    def stored(self) -> Sequence[StoredResult]:
        """Everything in the namespace, in a stable order."""

    def held(self, task_id: str) -> Held | None:
        """What is stored for one task, None where nothing is; also called from the worker's threads."""

    def aged_copy(self, task_id: str, seconds: float, kind: Copied = "task") -> str:
        """Store a copy of a result, or of a saved group, that is *seconds* older, and give the copy's id."""

    def advance(self, seconds: float) -> None:
        """Make everything stored *seconds* older; what the server drops by itself at that age is gone at once."""

    def remove(self, task_id: str, kind: Copied = "task") -> None:
        """Remove what is stored for one task, or a saved group."""


#: Gives the meta dictionary in what a backend stored: {"status": ..., "result": ...}.
Decode = Callable[[bytes], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class ProbeContext:
    """What a probe is made from; ``lifetime`` is ``result_expires`` in seconds, None for never.

    ``timezone`` is the app's: what ``celery.backend_cleanup`` compares depends on it in some releases.
    """

    service: Service
    namespace: Namespace
    decode: Decode
    lifetime: float | None
    timezone: datetime.tzinfo = datetime.timezone.utc


@dataclass(frozen=True, kw_only=True)
class Driver:
    """A Python module that Celery needs for a backend, and the package that brings it."""

    module: str
    distribution: str


@dataclass(frozen=True, kw_only=True)
class BackendSpec:
    """A result backend, as data.

    Arguments:
        name: what users write in the marker.
        title: the product's name, which a pinned version is compared with.
        scheme: what Celery calls it: how a ``result_backend`` for it begins.
        sources: where its server can come from, in the order in which ``auto`` tries them.
        identify: asks a server what it is; raises NotReady or Refused. It is given the service's URL
            and a limit in seconds.
        settings: Celery's settings that lead to a namespace of a service.
        probe: makes the out-of-band reader.
        sweep: removes the namespaces on the server at a URL whose names begin with a prefix.
        adapt: called with each backend object that Celery builds for the namespace, and with which side it
            is on: the worker's, which runs tasks, or the client's.
        enter: prepares another process for reading, where Celery's settings alone do not lead to the
            namespace; it has to be importable.
        traffic: records round trips; None where they cannot be seen.
        extra: the extra of this package that installs ``drivers``.
        client_command: what a user types to look into the server at a URL.
        is_shared: whether one server serves several processes at a time, each in namespaces of its own.
        not_verified: why no test of ours ever ran on it; empty where they do.
        limits: what the backend cannot do; everything else it is expected to do.
        checks: single checks of the conformance kit that do not hold, by name: ``no`` or ``not_yet``.
    """

    name: str
    title: str
    sources: tuple[Source, ...]
    identify: Callable[[str, float], Identity]
    settings: Callable[[Service, Namespace], Mapping[str, Any]]
    probe: Callable[[ProbeContext], Probe]
    scheme: str = ""
    sweep: Callable[[str, str], None] = lambda url, prefix: None
    adapt: Callable[[Any, Side], None] = lambda backend, side: None
    enter: Callable[[Service, Namespace], None] | None = None
    traffic: Traffic | None = None
    drivers: tuple[Driver, ...] = ()
    extra: str = ""
    client_command: Callable[[str], str] = lambda url: ""
    is_shared: bool = True
    not_verified: str = ""
    limits: Mapping[Capability, Verdict] = field(default_factory=dict)
    checks: Mapping[str, Verdict] = field(default_factory=dict)

    def verdict(self, capability: Capability) -> Verdict:
        """Whether the backend has a capability; undeclared means yes, so that a lack is loud."""
        return self.limits.get(capability, YES)

    @property
    def needs_server(self) -> bool:
        """Whether it runs on a server, which a provider has to give."""
        return not all(isinstance(source, BuiltIn) for source in self.sources)

    def source(self, kind: ProviderKind) -> Source | None:
        """Where this kind of provider gets the server from, None where it cannot."""
        return next((source for source in self.sources if source.kind == kind), None)


@dataclass(frozen=True, kw_only=True)
class Availability:
    """What a provider's fast check found; ``remedy`` is something to type.

    ``image`` is what a container would be started from, and ``fallback`` another one that is here, for when that
    cannot be pulled.
    """

    works: bool
    reason: str = ""
    remedy: str = ""
    identity: Identity | None = None
    image: str = ""
    fallback: str = ""


class Provider(Protocol):
    """Starts and stops the servers of one kind."""

    def check(self, spec: BackendSpec, version: str) -> Availability:
        """Whether it could start one here; fast, starts nothing."""

    def start(self, spec: BackendSpec, version: str, timeout: float) -> Service:
        """Start one and wait until it answers; raises StartFailed, leaves nothing behind."""

    def stop(self, service: Service) -> None:
        """Stop it and remove what it left; may be called from another process, and twice."""

    def logs(self, service: Service) -> str:
        """What the server printed so far."""
