"""Where two values part: in value or in type, however deep, and whatever they say of themselves."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import math
import pickle
import sys
import uuid
from pathlib import PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from odd_values import Forgetful, Liar, OutOfStock, Quarrelsome

from pytest_celery_backends.comparison import difference, shown

UTC = datetime.timezone.utc
NOON = datetime.datetime(2024, 7, 1, 12)


@dataclasses.dataclass
class Order:
    items: list[Any]


class Text(str):
    pass


class Texts(dict[str, Any]):
    pass


class Color(enum.Enum):
    RED = 1
    BLUE = 2


Pair = collections.namedtuple("Pair", "a b")


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def circular() -> list[Any]:
    value: list[Any] = [1]
    value.append(value)
    return value


def raised(error: Exception, cause: Exception | None = None, note: str = "") -> Exception:
    error.__cause__ = cause
    if note and sys.version_info >= (3, 11):
        error.add_note(note)
    return error


DIFFERENT: list[tuple[Any, Any, str]] = [
    (
        Order([0, 0, 0, {"when": NOON}]),
        Order([0, 0, 0, {"when": "12:00"}]),
        '.items[3]["when"]: datetime -> str',
    ),
    ((1, 2), [1, 2], "tuple -> list"),
    (True, 1, "bool -> int"),
    (1, 1.0, "int -> float"),
    (0.0, -0.0, "0.0 -> -0.0"),
    (decimal.Decimal("1.10"), decimal.Decimal("1.1"), "Decimal('1.10') -> Decimal('1.1')"),
    ({1: "a"}, {"1": "a"}, "key 1 -> '1'"),
    ({1: "a"}, {True: "a"}, "key 1 -> True"),
    ({1: "a", "1": "b"}, {"1": "b"}, "key 1 is gone"),
    ({"a": 1}, {"a": 1, "b": 2}, "key 'b' came on top"),
    ({"b": 1, "a": 2}, {"a": 2, "b": 1}, "order of keys: 'b', 'a' -> 'a', 'b'"),
    ([1, 2], [1], "2 items -> 1 items"),
    ({1, 2}, {1, 3}, "member 2 is gone"),
    ({(1, "a")}, {(1, "b")}, "member (1, 'a') is gone"),
    (NOON, NOON.replace(tzinfo=UTC), "naive datetime -> aware datetime"),
    (
        NOON.replace(tzinfo=ZoneInfo("Europe/Paris")),
        NOON.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
        "time zone Europe/Paris -> UTC+02:00",
    ),
    (Text("x"), "x", "Text -> str"),
    (Text("x"), Text("y"), "'x' -> 'y'"),
    (Texts(a=1), Texts(a=2), '["a"]: 1 -> 2'),
    (Pair(1, 2), Pair(1, 3), ".b: 2 -> 3"),
    (Color.RED, Color.BLUE, "<Color.RED: 1> -> <Color.BLUE: 2>"),
    (
        collections.defaultdict(list, a=[]),
        collections.defaultdict(set, a=[]),
        ".default_factory: <class 'list'> -> <class 'set'>",
    ),
    (bytearray(b"a"), bytearray(b"b"), "bytearray(b'a') -> bytearray(b'b')"),
    (uuid.UUID(int=1), uuid.UUID(int=2), ".int: 1 -> 2"),
    (nested(5000), nested(4999), "[0]" * 4999 + ": list -> int"),
    ("x" * 100, "x" * 99 + "y", "from index 99 on: 'x' -> 'y'"),
    ("x" * 100, "x" * 64, f"from index 64 on: '{'x' * 20}' -> '' (length 100 -> 64)"),
    (Liar(1), Liar(2), ".number: 1 -> 2"),
    ({"a": Quarrelsome(1)}, {"a": Quarrelsome(2)}, '["a"].number: 1 -> 2'),
    (Quarrelsome(1), 1, "Quarrelsome -> int"),
    (Forgetful(1), pickle.loads(pickle.dumps(Forgetful(1))), ".number: 1 -> -1"),
    (ValueError(1), ValueError(2), ".args[0]: 1 -> 2"),
    (OutOfStock("sku", 4), OutOfStock("sku"), ".left: 4 -> 0"),
    (OSError(2, "x", "/f"), OSError(2, "x"), ".filename: str -> NoneType"),
    (raised(ValueError(1), KeyError("k")), ValueError(1), ".__cause__: KeyError -> NoneType"),
    (ValueError(1), type("ValueError", (Exception,), {})(1), None),  # type: ignore[list-item]
]


@pytest.mark.parametrize(
    ("expected", "observed", "where"), DIFFERENT, ids=[str(n) for n in range(len(DIFFERENT))]
)
def test_values_that_differ(expected: Any, observed: Any, where: str | None) -> None:
    if where is None:
        where = f"builtins.ValueError -> {__name__}.ValueError"
    assert difference(expected, observed) == where


def test_paths_differ() -> None:
    """In what, is the own affair of each release of Python."""
    assert difference(PurePosixPath("/a/b"), PurePosixPath("/a/c"))


def test_notes_count() -> None:
    if sys.version_info < (3, 11):
        pytest.skip("exceptions have notes from Python 3.11 on")
    assert difference(raised(ValueError(1), note="n"), ValueError(1)) == ".__notes__: ['n'] is gone"


SAME: list[Any] = [
    lambda: math.nan,
    lambda: [math.nan, complex(1, math.nan), decimal.Decimal("NaN")],
    circular,
    lambda: nested(5000),
    lambda: {"a": (1, [b"x", None, ..., {1.5: {2}}])},
    lambda: {frozenset({1, "a"}), (1, 2)},
    lambda: NOON.replace(tzinfo=ZoneInfo("Europe/Paris")),
    lambda: [uuid.UUID(int=5), PurePosixPath("/a"), range(3), Color.RED, Order, len],
    lambda: Quarrelsome(3),
    lambda: (object(), iter([]), lambda: 1),
    lambda: OSError(2, "x", "/f"),
    lambda: raised(ValueError({1: 2}), KeyError("k"), "note"),
]


@pytest.mark.parametrize("make", SAME, ids=[str(number) for number in range(len(SAME))])
def test_values_that_are_the_same(make: Any) -> None:
    if isinstance(one := make(), tuple):
        assert difference(one[:2], make()[:2]) == ""
        return
    assert difference(one, make()) == ""


def test_what_cannot_be_shown_is_told_all_the_same() -> None:
    assert shown(Quarrelsome(1)) == "<Quarrelsome, whose repr raises RuntimeError>"
    assert shown(nested(100_000)) == "<list, whose repr raises RecursionError>"
