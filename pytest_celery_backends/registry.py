"""Backends by name: the built-in ones, those that packages declare, those that a conftest registers."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from . import backends
from .errors import UnknownBackend
from .spec import BackendSpec

ENTRY_POINT_GROUP: Final = "pytest_celery_backends"


def _built_in(module: str) -> Callable[[], BackendSpec]:
    def load() -> BackendSpec:
        spec = importlib.import_module(f"{backends.__name__}.{module}").SPEC
        assert isinstance(spec, BackendSpec)
        return spec

    return load


def _declared(entry_point: EntryPoint) -> Callable[[], BackendSpec]:
    def load() -> BackendSpec:
        try:
            spec = entry_point.load()
        except (ImportError, AttributeError) as error:
            why = f"{type(error).__name__}: {error}"
        else:
            if isinstance(spec, BackendSpec):
                return spec
            why = f"it is a {type(spec).__name__}, not a BackendSpec"
        raise UnknownBackend(
            f"the backend {entry_point.name!r} that a package declares cannot be loaded",
            tried=[f"{entry_point.value}: {why}"],
            remedy=f"python -c 'import {entry_point.value.partition(':')[0]}'",
        )

    return load


class Registry:
    """All backends known to a run; a spec is imported when it is first asked for.

    >>> Registry().get("redis").title
    'Redis'
    """

    def __init__(self) -> None:
        self._loaders: dict[str, Callable[[], BackendSpec]] = {}
        for module in sorted(info.name for info in pkgutil.iter_modules(backends.__path__)):
            self._loaders[module.replace("_", "-")] = _built_in(module)
        for entry_point in entry_points(group=ENTRY_POINT_GROUP):
            self._loaders[entry_point.name] = _declared(entry_point)
        self._specs: dict[str, BackendSpec] = {}

    def register(self, spec: BackendSpec) -> None:
        """Add a backend, or replace the one of the same name.

        >>> from dataclasses import replace
        >>> registry = Registry()
        >>> registry.register(replace(registry.get("sqlite"), name="acme"))
        >>> "acme" in registry.names
        True
        """
        self._loaders[spec.name] = lambda: spec
        self._specs.pop(spec.name, None)

    @property
    def names(self) -> list[str]:
        """All names: built-in ones in alphabetical order, then the others as they were declared."""
        return list(self._loaders)

    def get(self, name: str) -> BackendSpec:
        """The spec of that name; raises UnknownBackend with what may have been meant."""
        if name not in self._loaders:
            raise unknown_backend(name, self.names)
        if name not in self._specs:
            self._specs[name] = self._loaders[name]()
        return self._specs[name]


#: What people look for, and why there is no backend for it.
ABSENT: Final[Mapping[str, str]] = {
    "disabled": "Celery's name for storing nothing: no result can be read",
    "redis-cluster": "Celery has no result backend for Redis Cluster (celery#2852)",
    "riak": "Celery still has the name, and no module for it any more",
}


def meant_by(name: str, known: list[str]) -> str:
    """The name that somebody meant who wrote another; empty where none is close.

    >>> meant_by("rediss", ["redis", "sqlite"])
    'redis'
    """
    from difflib import get_close_matches

    return "" if name in ABSENT else next(iter(get_close_matches(name, known, n=1, cutoff=0.5)), "")


def unknown_backend(name: str, known: list[str]) -> UnknownBackend:
    """The error for a name that nothing has.

    >>> print(unknown_backend("rediss", ["redis", "sqlite"]))
    no backend is called 'rediss': did you mean 'redis'?
      known: redis, sqlite
      type: @pytest.mark.backends("redis")
    """
    if name in ABSENT:
        return UnknownBackend(
            f"{name} is not to be had: {ABSENT[name]}", remedy="pytest --celery-backends-list"
        )
    close = meant_by(name, known)
    meant = f": did you mean {close!r}?" if close else ""
    suggestion = close or ("sqlite" if "sqlite" in known else known[0])
    return UnknownBackend(
        f"no backend is called {name!r}{meant}",
        tried=[f"known: {', '.join(known)}"],
        remedy=f'@pytest.mark.backends("{suggestion}")',
    )
