"""Which backends a test runs on: pure functions of its marker, the options and the registry."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .errors import BadOption, UnknownBackend
from .masking import masked
from .options import OPTIONS, Option, Options
from .registry import Registry, meant_by, unknown_backend

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
    several = [word for word in re.split(r"[,\s]+", text) if word]
    if len(several) > 1:
        raise _several(text, several)
    registry.get(name)
    return Choice(name=name, version=version)


def _several(text: str, names: Sequence[str]) -> UnknownBackend:
    arguments = ", ".join(f'"{name}"' for name in names)
    return UnknownBackend(
        f"no backend is called {text!r}: the marker takes each name by itself",
        remedy=f"@pytest.mark.backends({arguments})",
    )


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
                _check_name(option, options, given, registry)


def _check_name(option: Option, options: Options, given: str, registry: Registry) -> None:
    name, colon, version = given.partition(":")
    if not name or name in registry.names:  # a provider without a name is for all
        return
    error = unknown_backend(name, registry.names)
    meant = meant_by(name, registry.names)
    corrected = _typed(options[option.name], given, f"{meant}{colon}{version}")
    raise BadOption(
        error.cause,
        tried=[*error.tried, f"given in: {options.source(option.name)}, {option.name}"],
        remedy=f"{option.switch}={corrected if meant else option.takes}",
    )


def _typed(value: Sequence[str] | Mapping[str, str], given: str, meant: str) -> str:
    """A value of an option as it is typed, with what was meant in place of what was given; of URLs only that one.

    >>> _typed({"": "auto", "memroy": "embedded"}, "memroy", "memory")
    'auto,memory=embedded'
    >>> _typed({"redis": "redis://a", "redsi": "redis://:secret@b"}, "redsi", "redis")
    'redis=redis://:***@b'
    """
    if not isinstance(value, Mapping):
        return ",".join(meant if each == given else each for each in value)
    if "://" in value[given]:
        return f"{meant}={masked(value[given])}"
    named = {meant if name == given else name: kind for name, kind in value.items()}
    return ",".join(f"{name}={kind}" if name else kind for name, kind in named.items())
