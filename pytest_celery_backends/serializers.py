"""Serializers by name, as kombu has them, and the settings that put one on a value's way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any, Final

from kombu.serialization import registry

from .assertions.subject import failed
from .comparison import shown

#: kombu has names for these whether or not their package is installed; module -> what brings it.
_PACKAGES: Final[Mapping[str, str]] = {"yaml": "celery[yaml]", "msgpack": "celery[msgpack]"}

#: What a stored result looks like: the least that a serializer has to carry.
_META: Final[Mapping[str, Any]] = {"status": "SUCCESS", "result": None, "children": []}

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def registered() -> list[str]:
    """The names that ``result_serializer`` takes, in alphabetical order.

    >>> {"json", "pickle"} <= set(registered())
    True
    """
    return sorted(name for name in registry._encoders if "/" not in name)


def check(name: str) -> None:
    """See that a serializer can be used at all.

    Raises:
        AssertionError: nobody registered it, its package is missing, or what it gives is of the wrong type.
    """
    if name not in registered():
        raise failed(
            f"no serializer is called {name!r}{meant(name, registered())}",
            [("registered", ", ".join(registered()))],
        )
    if name in _PACKAGES and find_spec(name) is None:
        raise failed(
            f"the serializer {name!r} needs a package that is not installed",
            [("type", f"pip install '{_PACKAGES[name]}'")],
        )
    fault = dumps_fault(name, dict(_META)) or loads_fault(name)
    if fault:
        raise failed(f"the serializer {name!r} gives what cannot be stored or read", [("because", fault)])


def meant(name: str, known: Collection[str]) -> str:
    """What to add to the mention of an unknown name.

    >>> meant("jsn", ["json", "yaml"]), meant("q", ["json"])
    (": did you mean 'json'?", '')
    """
    close = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f": did you mean {close[0]!r}?" if close else ""


def dumps_fault(name: str, value: Any) -> str:
    """What is wrong with the type that ``dumps`` gives for a value; empty where it is ``str`` or ``bytes``.

    That is what kombu sends and Celery stores; a serializer that refuses the value is no fault.
    https://docs.celeryq.dev/projects/kombu/en/stable/userguide/serialization.html
    """
    try:
        wire = registry._encoders[name][2](value)
    except Exception:  # serializers are plugins and raise what they like
        return ""
    if isinstance(wire, (str, bytes)):
        return ""
    return f"dumps gave a {type(wire).__name__}, {shown(wire)}; kombu takes str or bytes"


def loads_fault(name: str) -> str:
    """What is wrong with the type that ``loads`` gives for what ``dumps`` made of a result; else empty."""
    content_type, _, encode = registry._encoders[name]
    decode = registry._decoders.get(content_type)
    if decode is None:
        return f"loads is missing for {content_type!r}, so that kombu gives back what was stored"
    try:
        back = decode(encode(dict(_META)))
    except Exception:  # is told as what it is where a value is read
        return ""
    if isinstance(back, dict):
        return ""
    return f"loads gave a {type(back).__name__}, {shown(back)}, for what dumps had made of a dict"


def of_results(name: str) -> dict[str, Any]:
    """The settings with which results are stored and read by a serializer."""
    return {"result_serializer": name, "result_accept_content": [name]}


def of_messages(name: str, accepted: Collection[str]) -> dict[str, Any]:
    """The settings with which arguments are sent by a serializer; what is *accepted* otherwise still is."""
    return {"task_serializer": name, "accept_content": [*accepted, *({name} - set(accepted))]}
