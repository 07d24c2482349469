"""The markers: each is a function, so that its signature is the documentation and the check."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .capabilities import Capability


def backends(*names: str) -> Sequence[str]:
    """run the test once on each of these result backends ("redis", "redis:7.2"); all, if none is named"""
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{name!r} is no name")
    return names


def backend_requires(*capabilities: str) -> Sequence[Capability]:
    """report the test as UNSUPPORTED on backends that lack one of these capabilities"""
    return [_capability(name) for name in capabilities]


def celery(**settings: Any) -> Mapping[str, Any]:
    """Celery settings for this test (Celery's own marker)"""
    return settings


MARKERS: Final[Mapping[str, Callable[..., Any]]] = {
    function.__name__: function for function in (backends, backend_requires, celery)
}


def _capability(name: object) -> Capability:
    from .capabilities import Capability  # here, for every run of pytest loads this module

    known = [capability.label for capability in Capability]
    if not isinstance(name, str):
        raise TypeError(f"{name!r} is no name")
    label = name.strip().replace("-", "_").lower()
    if label not in known:
        from difflib import get_close_matches

        close = get_close_matches(label, known, n=1)
        raise TypeError(
            f"no capability is called {name!r}" + (f": did you mean {close[0]!r}?" if close else "")
        )
    return Capability.named(label)


def described() -> list[str]:
    """The lines for ``pytest --markers``.

    >>> described()[0].split(":")[0]
    'backends(*names)'
    """
    return [
        f"{name}({', '.join(str(p).split(':')[0] for p in inspect.signature(function).parameters.values())}): "
        f"{inspect.getdoc(function)}"
        for name, function in MARKERS.items()
    ]


def read(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What a marker says; raises BadMarker where its arguments do not fit.

    >>> read("backends", ["redis"], {})
    ('redis',)
    """
    function = MARKERS[name]
    try:
        return function(*args, **kwargs)
    except TypeError as error:
        from .errors import BadMarker

        shown = ", ".join([*map(repr, args), *(f"{key}={value!r}" for key, value in kwargs.items())])
        examples = {
            "backends": '"redis", "postgres"',
            "backend_requires": '"chords"',
            "celery": "result_expires=60",
        }
        raise BadMarker(
            f"@pytest.mark.{name}({shown}): {str(error).removeprefix(f'{name}() ')}",
            tried=[f"it takes: {described()[list(MARKERS).index(name)]}"],
            remedy=f"@pytest.mark.{name}({examples[name]})",
        ) from None
