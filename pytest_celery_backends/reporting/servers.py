"""Where a script that repeats a test's calls finds a store: the test's own is gone by then."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ..masking import masked
from ..sources import Container, Identity, Place
from ..spec import BackendSpec, Namespace, Service

#: Stores that take a new directory, as an expression of Python.
_FRESH: Final = {
    "file": '"file://" + tempfile.mkdtemp()',
    "db+sqlite": '"db+sqlite:///" + tempfile.mkdtemp() + "/results.db"',
}
#: The password of a server that is started for a script alone, and the database that it uses.
_NAME: Final = "reproduce"
#: Servers whose image starts with what it is told on one line, and that lead to a namespace by the URL alone.
_STARTED: Final = ("redis", "valkey", "postgres", "mysql", "mariadb", "mongodb", "memcached")


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a script gets its store: ``url`` is an expression of Python, ``command`` starts a server."""

    url: str
    command: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def start_of(spec: BackendSpec, service: Service, url: str) -> Start:
    """A fresh store of the same kind; where none can be had by one command, the variable has to name one."""
    if spec.scheme in _FRESH:
        return Start(url=_FRESH[spec.scheme])
    container = next((each for each in spec.sources if isinstance(each, Container)), None)
    if container is None:
        return Start(url=repr(masked(url)))
    if spec.name not in _STARTED:
        return Start(url='sys.exit("set RESULT_BACKEND to the URL of a server")')
    place = Place(directory=Path("/tmp"), port=container.port, password=_NAME)
    environment = {**container.environment(place), "MYSQL_DATABASE": _NAME}
    if spec.name not in ("mysql", "mariadb"):
        del environment["MYSQL_DATABASE"]
    image = service.handle.get("image") or f"{container.image}:{container.tag}"
    words = ["docker", "run", "--rm", "-p", f"{container.port}:{container.port}"]
    words += [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
    identity = Identity(product=spec.title, version="")
    # whoever reads the script starts it
    there = Service(backend=spec.name, provider="external", url=container.url(place), identity=identity)
    settings = dict(spec.settings(there, Namespace(name=_NAME)))
    # a schema of a namespace is made by whoever leases it, and nobody does
    parts = urlsplit(settings.pop("result_backend"))
    query = "&".join(each for each in parts.query.split("&") if not each.startswith("options="))
    command = shlex.join([*words, image, *container.command(place)])
    return Start(url=repr(urlunsplit(parts._replace(query=query))), command=command, settings=settings)
