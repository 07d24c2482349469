"""What a value is made of, as Python's own types tell it: no method of the user's says what is equal."""

from __future__ import annotations

import copyreg
import datetime
import re
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final, Literal, NamedTuple

#: Types whose ``==`` is Python's own, between two values of that very type.
PLAIN: Final = frozenset({type(None), bool, int, str, bytes, type(...), type(NotImplemented)})

#: Stands for an attribute that only the other value has.
ABSENT: Final = type("Absent", (), {"__repr__": lambda self: "nothing"})()

#: Found again by their names, never copied: two that are not the very same differ.
_NAMED: Final = (type, FunctionType, BuiltinFunctionType, MethodType, ModuleType, Enum)


class Constituent(NamedTuple):
    """One way in which a value is made of others: ``content`` are pairs, values, or values by their names."""

    kind: Literal["keys", "items", "members", "attributes"]
    content: Any


def is_same_atom(one: Any, other: Any) -> bool | None:
    """Whether two values of one type are the same, None where they are made of parts.

    >>> is_same_atom(0.0, -0.0), is_same_atom(1, 1), is_same_atom([1], [1])
    (False, True, None)
    """
    if type(one) in PLAIN:
        return bool(one == other)
    if isinstance(one, _NAMED):
        return one is other
    if type(one) in (float, complex, Decimal, range):
        return repr(one) == repr(other)  # tells NaN, the sign of zero, and 1.1 from 1.10
    if type(one) in (bytearray, memoryview):
        return bytes(one) == bytes(other)
    if type(one) in (datetime.datetime, datetime.time):
        return _moment(one) == _moment(other)
    if type(one) in (datetime.date, datetime.timedelta):
        return repr(one) == repr(other)
    return None


def _moment(moment: datetime.datetime | datetime.time) -> tuple[str, int, str]:
    """12:00 in Paris is another value than 12:00 at +02:00: half a year later they are an hour apart."""
    return moment.isoformat(), moment.fold, str(moment.tzinfo)


def constituents(value: Any) -> Iterator[Constituent]:
    """What a value is made of; two of the same type are the same where all of this is."""
    if isinstance(value, BaseException):
        yield Constituent("attributes", _of_exception(value))
        return
    own = _content(value)
    if own is not None:
        yield own
        if type(value) in _CONTAINERS:
            return
    attributes = _attributes(value)
    if attributes:
        yield Constituent("attributes", attributes)
    if own is None:
        yield Constituent("attributes", _reduced(value, is_bare=not attributes))


_ITERATED: Final[tuple[Any, ...]] = (list, tuple, deque, set, frozenset)

#: Have nothing beside their content.
_CONTAINERS: Final = (dict, list, tuple, set, frozenset, OrderedDict)


def _content(value: Any) -> Constituent | None:
    """What a container holds, or the bare value in a subclass of one of Python's own types."""
    if isinstance(value, dict):
        items = value.items() if type(value) in _CONTAINERS else dict.items(value)
        return Constituent("keys", list(items))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        names = [f".{name}" for name in value._fields]
        return Constituent("attributes", dict(zip(names, tuple.__iter__(value), strict=False)))
    for kind in _ITERATED:
        if isinstance(value, kind):
            of: Literal["members", "items"] = "members" if kind in (set, frozenset) else "items"
            return Constituent(of, list(kind.__iter__(value)))
    if isinstance(value, Mapping):
        return Constituent("keys", [(key, value[key]) for key in value])
    bare = _bare(value)
    return None if bare is None else Constituent("attributes", {"": bare})


def _bare(value: Any) -> Any:
    """The text or number in a value of a subclass: all that a serializer may have kept."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, bytes):
        return bytes.__getitem__(value, slice(None))
    return None


def _attributes(value: Any) -> dict[str, Any]:
    attributes = {f".{name}": each for name, each in getattr(value, "__dict__", {}).items()}
    if isinstance(value, deque):
        attributes[".maxlen"] = value.maxlen
    if hasattr(value, "default_factory"):
        attributes[".default_factory"] = value.default_factory
    return attributes


def _of_exception(error: BaseException) -> dict[str, Any]:
    """An exception's arguments, cause, notes and attributes, with those of an OSError that are no arguments."""
    told = {".args": error.args, ".__cause__": error.__cause__}
    if isinstance(error, OSError):
        told |= {".filename": error.filename, ".filename2": error.filename2}
    return {**told, **{f".{name}": each for name, each in error.__dict__.items()}}


def _reduced(value: Any, *, is_bare: bool) -> dict[str, Any]:
    """What an object that is no container says it can be made again from; its repr where it says nothing.

    Slots are told apart by name. An object whose own attributes are known may tell less.
    """
    kind: Any = type(value)
    if kind.__reduce__ is object.__reduce__ and kind.__reduce_ex__ is object.__reduce_ex__:
        slots = copyreg._slotnames(kind)  # type: ignore[attr-defined]
        told = {f".{name}": getattr(value, name, ABSENT) for name in slots}
        if told or not is_bare:
            return told
    try:
        reduced = value.__reduce_ex__(4)
    except Exception:  # what cannot be pickled says so in its own way
        return {} if not is_bare else {"": _without_address(value)}
    if isinstance(reduced, str):
        return {"": reduced}
    # the function that makes it is a bound method at times, which is another one at each look
    return {"": [None if part is None else _listed(part) for part in reduced[1:]]}


def _listed(part: Any) -> Any:
    return list(part) if hasattr(part, "__next__") else part


def _without_address(value: Any) -> str:
    try:
        return re.sub(r"0x[0-9a-fA-F]+", "0x", repr(value))
    except Exception as error:  # whatever a repr of the user's raises
        return f"repr raises {type(error).__name__}"
