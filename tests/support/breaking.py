"""How a backend is broken on purpose: a class that is wrong in one way, and the checks that have to see it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from pytest_celery_backends import BackendSpec, Namespace, Registry, Service

#: The names of checks by their class, as in "TestStates::test_a_task_that_returned_is_successful".
Class = TypeVar("Class", bound=type)


@dataclass(frozen=True, kw_only=True)
class Broken:
    """One broken backend: what it is called, what it would be if it were whole, and what it must fail."""

    name: str
    whole: str
    path: str
    kills: tuple[str, ...]


TABLE: Final[list[Broken]] = []


def breaks(whole: str, *kills: str) -> Callable[[Class], Class]:
    """Enter a backend class into the table, with the checks that it must make fail.

    Arguments:
        whole: the backend that it takes the place of, "memory" or "sqlite", or one that ``mends`` entered: the
            checks pass there.
        kills: "TestStates::test_...": each passes on the whole backend, and fails on this one.
    """

    def entered(cls: Class) -> Class:
        words = re.findall("[A-Z][a-z0-9]*", cls.__name__)
        name = "-".join([whole, *words]).lower()
        path = f"{cls.__module__}:{cls.__name__}"
        TABLE.append(Broken(name=name, whole=whole, path=path, kills=kills))
        return cls

    return entered


def mends(known: str) -> Callable[[Class], Class]:
    """Enter a backend class that does what *known* is declared not to do: where a check passes, and may be failed."""
    return breaks(known)


def register(registry: Registry) -> None:
    """Register every broken backend by its name."""
    mended = {each.name: each.whole for each in TABLE if not each.kills}
    for broken in TABLE:
        registry.register(_spec(broken, registry.get(mended.get(broken.whole, broken.whole))))


def _spec(broken: Broken, whole: BackendSpec) -> BackendSpec:
    def settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
        given = dict(whole.settings(service, namespace))
        url = given["result_backend"].removeprefix("db+").removeprefix("cache+")
        return {**given, "result_backend": f"{broken.path}+{url}"}

    return replace(whole, name=broken.name, settings=settings)
