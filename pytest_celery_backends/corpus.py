"""Values that serializers are known to trip over, by name; each is made anew when it is asked for.

>>> VALUES["tuple"]()
(1, 2)
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import math
import pathlib
import re
import uuid
import zoneinfo
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NoReturn

UTC: Final = datetime.timezone.utc
LEAP_DAY: Final = datetime.datetime(2024, 2, 29, 12, 30)


@dataclasses.dataclass
class Point:
    """A dataclass."""

    x: int
    y: float = 0.5


class Suit(enum.Enum):
    """An enumeration of values that JSON has."""

    HEARTS = "h"


class Rank(enum.IntEnum):
    """Its members are numbers."""

    ACE = 1


class Size(str, enum.Enum):
    """Its members are strings."""

    SMALL = "s"


class Name(str):
    """A string with a type of its own."""


class Basket(dict[str, Any]):
    """A dictionary with a type of its own."""


Pair = collections.namedtuple("Pair", "a b")


class Money:
    """Says by the method that kombu asks for what JSON shall have of it."""

    def __init__(self, amount: int) -> None:
        self.amount = amount

    def __json__(self) -> dict[str, int]:
        return {"amount": self.amount}


class Opaque:
    """An object with one attribute, which no serializer but pickle knows."""

    def __init__(self) -> None:
        self.inside = 1


class Unpicklable:
    """Raises when it is pickled."""

    def __reduce__(self) -> NoReturn:
        raise RuntimeError("not to be pickled")


def nested(depth: int) -> list[Any]:
    """A list in a list in a list...

    >>> nested(2)
    [[[]]]
    """
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def circular() -> list[Any]:
    """A list that is in itself."""
    value: list[Any] = []
    value.append(value)
    return value


def _marked(kind: str, value: object) -> dict[str, Any]:
    """What kombu makes in JSON of types that JSON does not have."""
    return {"__type__": kind, "__value__": value}


def _has_zones() -> bool:
    try:
        zoneinfo.ZoneInfo("Europe/Paris")
    except zoneinfo.ZoneInfoNotFoundError:  # neither the system's nor tzdata
        return False
    return True


_ZONES: dict[str, Callable[[], Any]] = {
    "datetime_zoneinfo": lambda: datetime.datetime(2024, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Paris"))
}
_INDIA: Final = datetime.timezone(datetime.timedelta(hours=5, minutes=30))

#: Values for a task to return; the name of each, and what makes it.
VALUES: Final[Mapping[str, Callable[[], Any]]] = MappingProxyType(
    {
        "none": lambda: None,
        "true": lambda: True,
        "false": lambda: False,
        "zero": lambda: 0,
        "empty_str": lambda: "",
        "empty_list": lambda: [],
        "empty_dict": lambda: {},
        "empty_tuple": lambda: (),
        "empty_bytes": lambda: b"",
        "int_53bit": lambda: 2**53 + 1,
        "int_64bit_max": lambda: 2**64 - 1,
        "int_65bit": lambda: 2**64,
        "int_negative_big": lambda: -(2**63) - 1,
        "int_400_digits": lambda: 10**400,
        "int_5000_digits": lambda: 10**5000,
        "float_pi": lambda: math.pi,
        "float_nan": lambda: math.nan,
        "float_inf": lambda: math.inf,
        "float_neg_inf": lambda: -math.inf,
        "float_neg_zero": lambda: -0.0,
        "float_tiny": lambda: 5e-324,
        "complex": lambda: 1 + 2j,
        "decimal": lambda: decimal.Decimal("1.10"),
        "decimal_nan": lambda: decimal.Decimal("NaN"),
        "fraction": lambda: fractions.Fraction(1, 3),
        "uuid": lambda: uuid.UUID(int=5),
        "datetime_naive": lambda: LEAP_DAY.replace(second=1, microsecond=123456),
        "datetime_utc": lambda: LEAP_DAY.replace(tzinfo=UTC),
        "datetime_offset": lambda: LEAP_DAY.replace(tzinfo=_INDIA),
        **(_ZONES if _has_zones() else {}),
        "date": LEAP_DAY.date,
        "time": lambda: datetime.time(12, 30, 1, 5),
        "time_aware": lambda: datetime.time(12, 30, tzinfo=UTC),
        "timedelta": lambda: datetime.timedelta(days=1, seconds=2, microseconds=3),
        "bytes_utf8": lambda: b"abc",
        "bytes_binary": lambda: bytes(range(256)),
        "bytearray": lambda: bytearray(b"abc"),
        "memoryview": lambda: memoryview(b"abc"),
        "str_accents": lambda: "héllo ☃",
        "str_emoji": lambda: "😀👩‍👩‍👧",
        "str_nul": lambda: "a\0b",
        "str_lone_surrogate": lambda: "a\ud800b",
        "str_controls": lambda: "\x01\x1f\x7f\x85\u2028",
        "str_subclass": lambda: Name("x"),
        "str_looks_like_date": LEAP_DAY.isoformat,
        "str_60kb": lambda: "x" * 60_000,
        "tuple": lambda: (1, 2),
        "nested_tuple": lambda: {"a": (1, [2, (3,)])},
        "namedtuple": lambda: Pair(1, 2),
        "set": lambda: {1, 2},
        "frozenset": lambda: frozenset({1}),
        "deque": lambda: collections.deque([1, 2]),
        "range": lambda: range(3),
        "dict_int_keys": lambda: {1: "a", 2: "b"},
        "dict_mixed_keys": lambda: {1: "a", "1": "b"},
        "dict_none_bool_keys": lambda: {None: 1, True: 2},
        "dict_float_key": lambda: {1.5: "a"},
        "dict_tuple_key": lambda: {(1, 2): "a"},
        "dict_bytes_key": lambda: {b"k": 1},
        "dict_uuid_key": lambda: {uuid.UUID(int=5): 1},
        "dict_order": lambda: {"b": 1, "a": 2},
        "ordereddict": lambda: collections.OrderedDict([("b", 1), ("a", 2)]),
        "defaultdict": lambda: collections.defaultdict(list, a=[1]),
        "dict_subclass": lambda: Basket(a=1),
        "dict_kombu_marker_unknown": lambda: _marked("zzz", 1),
        "dict_kombu_marker_datetime": lambda: _marked("datetime", "2024-01-01T00:00:00"),
        "dict_exc_like": lambda: {"exc_type": "ValueError", "exc_message": ["x"], "exc_module": "builtins"},
        "nested_500": lambda: nested(500),
        "circular_list": circular,
        "dataclass": lambda: Point(1),
        "enum": lambda: Suit.HEARTS,
        "int_enum": lambda: Rank.ACE,
        "str_enum": lambda: Size.SMALL,
        "path": lambda: pathlib.PurePosixPath("/a/b"),
        "ipaddress": lambda: ipaddress.ip_address("10.0.0.1"),
        "regex": lambda: re.compile("a+"),
        "has___json__": lambda: Money(3),
        "opaque_object": Opaque,
        "bad_reduce": Unpicklable,
        "generator": lambda: (number for number in range(2)),
        "lambda": lambda: lambda: 1,
        "class": lambda: Point,
        "ellipsis": lambda: ...,
        "exception_returned": lambda: ValueError("returned"),
    }
)
