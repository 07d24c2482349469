"""How a backend would be had here: which providers have it, or why none does; nothing is started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from .errors import Unavailable
from .provider_kinds import KINDS, ProviderKind
from .sources import Identity
from .spec import Availability, BackendSpec, Driver, NotReady, Provider, Refused, Service


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a backend would be had, or the ``error`` that says why it cannot be.

    ``order`` holds the kinds of provider that passed their check; ``auto`` starts the next where one fails.
    ``others`` says why the rest cannot give the version that was asked for.
    """

    title: str = ""
    order: tuple[ProviderKind, ...] = ()
    others: tuple[str, ...] = ()
    identity: Identity | None = None
    error: Unavailable | None = None

    def __str__(self) -> str:
        if not self.order:
            return "unavailable"
        return f"{self.identity or self.title} ({self.order[0]})"


def make_plan(
    spec: BackendSpec, version: str, asked: str, provider: Callable[[ProviderKind], Provider]
) -> Plan:
    """Ask each provider once.

    Arguments:
        asked: the kind of provider that is wanted; "auto" is the first that works.
        provider: gives the provider of a kind.
    """
    missing = [driver for driver in spec.drivers if not _is_installed(driver)]
    if missing:
        return Plan(error=driver_missing(spec, missing[0]))
    found = {kind: provider(kind).check(spec, version) for kind in _kinds(spec, asked)}
    order = tuple(kind for kind, availability in found.items() if availability.works)
    if not order:
        return Plan(error=nothing_works(spec, version, found))
    others = tuple(_reasons(found)) if version else ()
    return Plan(title=spec.title, order=order, others=others, identity=found[order[0]].identity)


def _reasons(found: Mapping[ProviderKind, Availability]) -> list[str]:
    """Why each kind of provider that does not work does not."""
    return [f"{kind}: {each.reason}" for kind, each in found.items() if not each.works]


def _kinds(spec: BackendSpec, asked: str) -> list[ProviderKind]:
    """The kinds of provider to ask; one that was named says itself where it has nothing for a backend."""
    if asked != "auto":
        return [kind for kind in KINDS if kind == asked]
    # "external" needs a URL, and a URL asks for it by name
    own = [kind for kind in KINDS if kind != "external" and spec.source(kind) is not None]
    return [*own] or ["external"]


def _is_installed(driver: Driver) -> bool:
    try:
        return find_spec(driver.module) is not None
    except ModuleNotFoundError:  # the package that should hold it
        return False


def driver_missing(spec: BackendSpec, driver: Driver) -> Unavailable:
    """The error for a backend whose Python driver is not installed."""
    wanted = f"'pytest-celery-backends[{spec.extra}]'" if spec.extra else driver.distribution
    return Unavailable(
        f"{spec.name} needs the Python module {driver.module!r}, which is not installed",
        remedy=f"pip install {wanted}",
    )


def nothing_works(spec: BackendSpec, version: str, found: Mapping[ProviderKind, Availability]) -> Unavailable:
    """The error for a backend that no provider can give here."""
    name = f"{spec.name}:{version}" if version else spec.name
    remedies = [availability.remedy for availability in found.values() if availability.remedy]
    return Unavailable(
        f"{name} is not to be had here",
        tried=_reasons(found),
        remedy=remedies[-1] if remedies else f"--celery-backends-url={spec.name}=...",
    )


def answers(spec: BackendSpec, service: Service, limit: float) -> bool:
    """Whether a server that may be gone answers within so many seconds."""
    try:
        spec.identify(service.url, limit)
    except (NotReady, Refused):
        return False
    return True
