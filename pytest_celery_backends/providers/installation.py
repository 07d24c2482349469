"""Servers that are installed here: which there are, what they say they are, and which of them fits."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..provider_kinds import ProviderKind
from ..sources import Identity, Place, Program
from ..spec import Availability, BackendSpec
from .binaries import Binaries, binary_in, resolved
from .readiness import one_line, other_version


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A program, its binaries, and the words for where that is."""

    program: Program
    binaries: Binaries
    origin: str

    @property
    def nowhere(self) -> Place:
        """A place for commands that are looked at and not run."""
        return Place(
            binaries=self.binaries.directory,
            directory=Path("/nowhere"),
            port=1,
            ports=tuple(range(1, self.program.ports + 1)),
            password="x",
        )

    @property
    def missing(self) -> str:
        """The first command that the program needs and the directory has not, empty where all are there."""
        place = self.nowhere
        commands = [*self.program.prepare(place), self.program.command(place)]
        words = [words[0] for words in commands]
        return next(
            (word for word in words if resolved(self.program, self.binaries.directory, word) is None), ""
        )


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The installation to take, and what is known about it; without one, ``availability`` says why."""

    availability: Availability
    installation: Installation | None = None


class Versions:
    """Asks binaries for their version, each once."""

    def __init__(self) -> None:
        self._answers: dict[Path, Identity | str] = {}
        # As it is now: while containers are looked for in another thread, DOCKER_HOST comes and goes.
        self._environment = {**os.environ, "LC_ALL": "C"}

    def of(self, installation: Installation) -> Identity | str:
        """The identity, or one line that says why there is none."""
        binary = binary_in(installation.program, installation.binaries.directory)
        if binary is None:
            return f"no {' or '.join(installation.program.binaries)} in {installation.binaries.directory}"
        if installation.program.identify_path is not None:
            # Not kept: the binary may be an interpreter, which runs more than one of these.
            return _from_path(binary, installation.program.identify_path)
        if binary not in self._answers:
            self._answers[binary] = _ask(binary, installation.program, self._environment)
        return self._answers[binary]

    def choose(
        self, spec: BackendSpec, kind: ProviderKind, version: str, found: Sequence[Installation]
    ) -> Choice | None:
        """The first installation that works and fits the pinned version; None where none was found."""
        problems: list[tuple[str, str]] = []
        for installation in found:
            identity = self.of(installation)
            if isinstance(identity, str):
                problems.append((identity, ""))
            elif installation.missing:
                problems.append((f"{installation.origin} has no {installation.missing}", ""))
            elif lack := _lack(installation):
                problems.append((lack, ""))
            elif version and not identity.satisfies(spec.title, version):
                reason = f"{installation.origin} is {identity}, not {spec.title} {version}"
                problems.append((reason, other_version(spec, kind)))
            else:
                return Choice(
                    availability=Availability(works=True, identity=identity), installation=installation
                )
        if not problems:
            return None
        reason, remedy = next(((why, way) for why, way in problems if way), problems[0])
        return Choice(availability=Availability(works=False, reason=reason, remedy=remedy))


def _lack(installation: Installation) -> str:
    program = installation.program
    binary = binary_in(program, installation.binaries.directory)
    try:
        return program.lacks(binary) if binary else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{binary} did not work: {one_line(error)}"


def _from_path(binary: Path, identify_path: Callable[[Path], Identity]) -> Identity | str:
    try:
        return identify_path(binary.resolve())
    except ValueError:
        return f"the path of {binary} does not tell a version"


def _ask(binary: Path, program: Program, environment: Mapping[str, str]) -> Identity | str:
    try:
        answer = subprocess.run(
            [binary, program.version_option],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{binary} {program.version_option} did not work: {one_line(error)}"
    said = answer.stdout.decode(errors="replace")
    if answer.returncode:
        return f"{binary} {program.version_option} exited with {answer.returncode}: {one_line(said)}"
    try:
        return program.identify_binary(said)
    except ValueError:
        return f"{binary} {program.version_option} does not tell a version: {one_line(said)}"
