"""Servers that come with a Python package, and backends that need no server at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from ..errors import StartFailed
from ..sources import BuiltIn, Embedded, Identity, Wheel
from ..spec import Availability, BackendSpec, NotReady, Refused, Service
from .binaries import Binaries, binary_in
from .groups import remove_tree
from .installation import Choice, Installation, Versions
from .launch import Launch
from .ports import system_port
from .process import log_in, stop_process
from .readiness import QUESTION_SECONDS, another_way, one_line, other_version
from .run_directory import RunDirectory


class EmbeddedProvider:
    """Starts servers out of installed wheels, and makes places for backends that live in this process.

    The binaries are started directly: the wheels' own wrappers add system users and open up directories.

    Arguments:
        run: where the servers' directories are made.
        free_port: gives a port for each try to start one.
    """

    def __init__(self, run: RunDirectory, *, free_port: Callable[[], int] = system_port) -> None:
        self._run = run
        self._free_port = free_port
        self._versions = Versions()

    def check(self, spec: BackendSpec, version: str) -> Availability:
        """Whether a wheel of that version is installed; imports none of them."""
        source = spec.source("embedded")
        if isinstance(source, BuiltIn):
            return _check_built_in(spec, source, version)
        return self._choose(spec, version).availability

    def start(self, spec: BackendSpec, version: str, timeout: float) -> Service:
        """Start one in a fresh directory; raises StartFailed after at most *timeout* seconds."""
        source = spec.source("embedded")
        if isinstance(source, BuiltIn):
            return self._make_built_in(spec, source, version, timeout)
        choice = self._choose(spec, version)
        return Launch.of(choice, spec, "embedded", run=self._run, free_port=self._free_port).start(timeout)

    def stop(self, service: Service) -> None:
        """Stop it, where there is something to stop, and remove its directory."""
        if "pid" in service.handle:
            stop_process(service)
        elif "directory" in service.handle:
            remove_tree(Path(service.handle["directory"]))

    def logs(self, service: Service) -> str:
        """What the server printed so far; nothing where there is none."""
        return log_in(Path(service.handle["directory"])) if "pid" in service.handle else ""

    def _choose(self, spec: BackendSpec, version: str) -> Choice:
        source = spec.source("embedded")
        if not isinstance(source, Embedded):
            reason, remedy = f"{spec.name} comes with no Python package", another_way(spec, "embedded")
            return Choice(availability=Availability(works=False, reason=reason, remedy=remedy))
        choice = self._versions.choose(spec, "embedded", version, list(_installations(source)))
        if choice is None:
            names = " or ".join(wheel.distribution for wheel in source.wheels)
            reason = f"{names} is not installed"
            return Choice(availability=Availability(works=False, reason=reason, remedy=_install(source)))
        if not choice.availability.works and not choice.availability.remedy:
            reason = choice.availability.reason
            return Choice(availability=Availability(works=False, reason=reason, remedy=_install(source)))
        return choice

    def _make_built_in(self, spec: BackendSpec, source: BuiltIn, version: str, timeout: float) -> Service:
        directory = self._run.subdirectory(spec.name) if source.directory else None
        try:
            identity = _identity(spec, source, version, str(directory or ""), timeout)
        except BaseException:
            if directory is not None:
                remove_tree(directory)
            raise
        return Service(
            backend=spec.name,
            provider="embedded",
            url=source.url(str(directory or "")),
            identity=identity,
            handle={"directory": str(directory)} if directory is not None else {},
        )


def _install(source: Embedded) -> str:
    return f"pip install 'pytest-celery-backends[{source.wheels[0].extra}]'"


def _check_built_in(spec: BackendSpec, source: BuiltIn, version: str) -> Availability:
    with tempfile.TemporaryDirectory(prefix="pcb-") as directory:
        try:
            identity = _identity(
                spec, source, version, directory if source.directory else "", QUESTION_SECONDS
            )
        except StartFailed as failure:
            return Availability(works=False, reason=failure.cause, remedy=failure.remedy)
    return Availability(works=True, identity=identity)


def _identity(spec: BackendSpec, source: BuiltIn, version: str, directory: str, timeout: float) -> Identity:
    try:
        identity = spec.identify(source.url(directory), timeout)
    except (NotReady, Refused) as error:
        reason = f"{spec.name} does not work here: {one_line(error)}"
        remedy = getattr(error, "remedy", "") or another_way(spec, "embedded")
    else:
        if not version or identity.satisfies(spec.title, version):
            return identity
        reason = f"{spec.name} here is {identity}, not {spec.title} {version}"
        remedy = other_version(spec, "embedded")
    raise StartFailed(reason, remedy=remedy)


def _installations(source: Embedded) -> Iterator[Installation]:
    for wheel in source.wheels:
        for directory in _directories(wheel):
            if binary_in(wheel.program, directory) is not None:
                package = next(
                    place for place in (directory, *directory.parents) if place.name == wheel.package
                )
                libraries = package.with_name(f"{wheel.package}.libs")  # where auditwheel puts them
                binaries = Binaries(directory=directory, tree=(package, libraries))
                yield Installation(
                    program=wheel.program, binaries=binaries, origin=f"the wheel {wheel.distribution}"
                )


def _directories(wheel: Wheel) -> Iterator[Path]:
    found = find_spec(wheel.package)  # a top-level package: not imported
    for place in (found.submodule_search_locations or ()) if found else ():
        yield from sorted(Path(place).glob(wheel.binaries)) if wheel.binaries else [Path(place)]
