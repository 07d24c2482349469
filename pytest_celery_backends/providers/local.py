"""Private instances of servers whose binaries are installed on this machine."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ..sources import Local
from ..spec import Availability, BackendSpec, Service
from .binaries import Binaries, binary_in
from .installation import Choice, Installation, Versions
from .launch import Launch
from .ports import system_port
from .process import log_in, stop_process
from .readiness import another_way
from .run_directory import RunDirectory


class LocalProvider:
    """Starts servers from binaries on PATH or in a source's places.

    Arguments:
        run: where the servers' directories are made.
        free_port: gives a port for each try to start one.
    """

    def __init__(self, run: RunDirectory, *, free_port: Callable[[], int] = system_port) -> None:
        self._run = run
        self._free_port = free_port
        self._versions = Versions()

    def check(self, spec: BackendSpec, version: str) -> Availability:
        """Whether there are binaries of that version; runs ``--version``, once for each."""
        return self._choose(spec, version).availability

    def start(self, spec: BackendSpec, version: str, timeout: float) -> Service:
        """Start one in a fresh directory; raises StartFailed after at most *timeout* seconds."""
        choice = self._choose(spec, version)
        return Launch.of(choice, spec, "local", run=self._run, free_port=self._free_port).start(timeout)

    def stop(self, service: Service) -> None:
        """Stop it and remove its directory."""
        stop_process(service)

    def logs(self, service: Service) -> str:
        """What the server printed so far."""
        return log_in(Path(service.handle["directory"]))

    def _choose(self, spec: BackendSpec, version: str) -> Choice:
        source = spec.source("local")
        if not isinstance(source, Local):
            reason, remedy = f"{spec.name} cannot be had from local binaries", another_way(spec, "local")
            return Choice(availability=Availability(works=False, reason=reason, remedy=remedy))
        install = f"apt-get install {source.package}" if source.package else another_way(spec, "local")
        choice = self._versions.choose(spec, "local", version, list(_installations(source)))
        if choice is None:
            names, places = " or ".join(source.program.binaries), ", ".join(("PATH", *source.places))
            reason = f"there is no {names} in {places}"
            return Choice(availability=Availability(works=False, reason=reason, remedy=install))
        if not choice.availability.works and not choice.availability.remedy:
            reason = choice.availability.reason
            return Choice(availability=Availability(works=False, reason=reason, remedy=install))
        return choice


def _installations(source: Local) -> Iterator[Installation]:
    seen = set()
    for directory in (*_on_path(source), *_in_places(source)):
        binary = binary_in(source.program, directory)
        if binary is not None and directory not in seen:
            seen.add(directory)
            tree = directory.parent if directory.name in ("bin", "sbin") else directory
            binaries = Binaries(directory=directory, tree=(tree,))
            yield Installation(program=source.program, binaries=binaries, origin=str(binary))


def _on_path(source: Local) -> Iterator[Path]:
    for directory in map(Path, filter(None, os.environ.get("PATH", os.defpath).split(os.pathsep))):
        binary = binary_in(source.program, directory)
        if binary is not None:
            # A link to /usr/lib/postgresql/17/bin/postgres: initdb lies there, and not beside the link.
            real = binary.resolve()
            yield real.parent if real.name == binary.name else directory


def _in_places(source: Local) -> Iterator[Path]:
    for place in source.places:
        yield from map(Path, sorted(glob.glob(place), key=_by_number, reverse=True))


def _by_number(path: str) -> list[tuple[int, str]]:
    """Orders postgresql/9 before postgresql/17.

    >>> sorted(["/pg/17/bin", "/pg/9/bin"], key=_by_number)
    ['/pg/9/bin', '/pg/17/bin']
    """
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)]
