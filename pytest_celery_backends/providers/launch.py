"""How a private server is started: on another port where one is taken, anew where a copy did not work."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..errors import StartFailed, last_lines
from ..provider_kinds import ProviderKind
from ..sources import Identity
from ..spec import BackendSpec, Service
from .installation import Choice, Installation
from .ports import system_port
from .process import Attempt, PortTaken
from .readiness import another_way
from .run_directory import RunDirectory

ATTEMPTS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Everything that is known before a private server is started."""

    spec: BackendSpec
    kind: ProviderKind
    installation: Installation
    identity: Identity | None
    run: RunDirectory
    free_port: Callable[[], int] = system_port

    @classmethod
    def of(
        cls,
        choice: Choice,
        spec: BackendSpec,
        kind: ProviderKind,
        *,
        run: RunDirectory,
        free_port: Callable[[], int],
    ) -> Launch:
        """The launch of what was chosen; raises StartFailed where that is nothing."""
        found = choice.availability
        if choice.installation is None:
            raise StartFailed(found.reason, remedy=found.remedy)
        return cls(
            spec=spec,
            kind=kind,
            installation=choice.installation,
            identity=found.identity,
            run=run,
            free_port=free_port,
        )

    def start(self, timeout: float) -> Service:
        """Start the server and wait until it answers, at most *timeout* seconds; raises StartFailed."""
        until = time.monotonic() + timeout
        tried: list[PortTaken] = []
        for _ in range(ATTEMPTS):
            try:
                return self._start(until, timeout)
            except PortTaken as taken:  # between our look and the server's bind somebody else was faster
                tried.append(taken)
        ports = ", ".join(str(taken.port) for taken in tried)
        raise StartFailed(
            f"port taken: {self.spec.name} could not listen on 127.0.0.1",
            tried=[f"{ATTEMPTS} ports that the system gave as free: {ports}"],
            remedy=another_way(self.spec, self.kind),
            log=last_lines(tried[-1].log),
        )

    def _start(self, until: float, timeout: float) -> Service:
        attempt = Attempt(self)
        try:
            return attempt.start(until, timeout)
        except StartFailed:
            if attempt.copied is None:
                raise
            attempt.copied.discard()  # it looked sound, and may be what the server died of
            if time.monotonic() >= until:
                raise
        return Attempt(self, may_copy=False).start(until, timeout)
