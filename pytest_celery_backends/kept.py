"""What a pool knows of one service: on its way up, running, or failed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from .errors import NotPulled, StartFailed
from .plans import Plan
from .provider_kinds import ProviderKind
from .spec import BackendSpec, Provider, Service


@dataclass
class Kept:
    """What is known of one backend in one version, for all processes or for the ``owner`` alone.

    Whoever changes it holds ``starting``.
    """

    spec: BackendSpec
    version: str
    owner: str
    starting: threading.Lock = field(default_factory=threading.Lock)
    service: Service | None = None
    failure: StartFailed | None = None
    is_told: bool = False
    surprise: Exception | None = None
    trying: ProviderKind | None = None
    note: str = ""
    stops: list[tuple[Provider, Service]] = field(default_factory=list)

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing left to try."""
        return self.service is not None or self.failure is not None

    def told(self) -> Service:
        """The service, or what happened: whoever asks first gets the error itself."""
        if self.failure is None:
            assert self.service is not None, "it is settled"
            return self.service
        if not self.is_told:
            self.is_told = True
            raise self.failure
        raise type(self.failure)(
            f"{self.spec.name} failed earlier in this run: {self.failure.cause}",
            tried=self.failure.tried,
            remedy=self.failure.remedy,
            log=self.failure.log,
        )

    def __str__(self) -> str:
        name = f"{self.spec.name}:{self.version}" if self.version else self.spec.name
        about = ", ".join(filter(None, (self.trying, self.note)))
        return f"{name} ({about})" if about else name


def together(spec: BackendSpec, plan: Plan, failures: list[StartFailed]) -> StartFailed:
    """The failures of all providers in one."""
    kind_of_all = NotPulled if all(isinstance(failure, NotPulled) for failure in failures) else StartFailed
    if len(failures) == 1 and not plan.others:
        return failures[0]
    if len(failures) == 1:
        (only,) = failures
        return kind_of_all(only.cause, tried=[*only.tried, *plan.others], remedy=only.remedy, log=only.log)
    return kind_of_all(
        f"{spec.name} could not be started",
        tried=[f"{kind}: {failure.cause}" for kind, failure in zip(plan.order, failures, strict=True)],
        remedy=failures[-1].remedy,
        log=failures[-1].log,
    )
