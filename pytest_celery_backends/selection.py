"""Which backends a test runs on: pure functions of its marker, the options and the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .errors import BadOption
from .options import OPTIONS, Option, Options
from .registry import Registry, unknown_backend

#: Where a test asks for a backend and neither marker nor option names one.
DEFAULT_BACKEND: Final = "sqlite"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A backend by name, with the pinned version of its server or none; prints as users write it.

    >>> str(Choice(name="redis", version="7.2"))
    'redis:7.2'
    """

    name: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.version}" if self.version else self.name

    def is_selected_by(self, wanted: Sequence[Choice]) -> bool:
        """Whether one of the names to run means this one; a name without version means all versions.

        >>> Choice(name="redis", version="7.2").is_selected_by([Choice(name="redis")])
        True
        >>> Choice(name="redis").is_selected_by([Choice(name="redis", version="7.2")])
        False
        """
        return self in wanted or Choice(name=self.name) in wanted


def parse(text: str, registry: Registry) -> Choice:
    """The choice that ``name`` or ``name:version`` means; raises UnknownBackend."""
    name, _, version = text.partition(":")
    registry.get(name)
    return Choice(name=name, version=version)


def choices(marked: Sequence[str] | None, wanted: Sequence[str], registry: Registry) -> list[Choice]:
    """The backends of one test, in the order written, each once.

    Arguments:
        marked: the names in its marker; None without a marker.
        wanted: the names that the options select, empty for no selection.
        registry: all known backends.

    >>> [str(choice) for choice in choices(["sqlite", "memory"], [], Registry())]
    ['sqlite', 'memory']
    >>> [str(choice) for choice in choices(None, [], Registry())]
    ['sqlite']
    """
    if marked:
        names: Sequence[str] = marked
    elif marked is None:
        names = wanted or [DEFAULT_BACKEND]
    else:
        names = wanted or registry.names
    return list(dict.fromkeys(parse(name, registry) for name in names))


def is_selected(choice: Choice, options: Options, registry: Registry) -> bool:
    """Whether the options let it run."""
    wanted = options["celery_backends"]
    return not wanted or choice.is_selected_by([parse(name, registry) for name in wanted])


def check_names(options: Options, registry: Registry) -> None:
    """See that the options name backends that exist; raises BadOption."""
    for option in OPTIONS:
        if option.name in ("celery_backends", "celery_backends_provider", "celery_backends_url"):
            for given in options[option.name]:
                _check_name(option, options, given.partition(":")[0], registry)


def _check_name(option: Option, options: Options, name: str, registry: Registry) -> None:
    if not name or name in registry.names:  # a provider without a name is for all
        return
    error = unknown_backend(name, registry.names)
    raise BadOption(
        error.cause,
        tried=[*error.tried, f"given in: {options.source(option.name)}, {option.name}"],
        remedy=f"{option.switch}={option.takes}",
    )
