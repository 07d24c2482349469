"""Compares a value with what came back, types included, and says where they part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def difference(expected: Any, observed: Any, path: str = "value") -> str:
    """The first place where two values differ; empty where they are the same in value and type.

    >>> difference({"a": (1, 2)}, {"a": [1, 2]})
    "value['a'] is a list, [1, 2], not a tuple, (1, 2)"
    >>> difference(float("nan"), float("nan"))
    ''
    """
    if type(expected) is not type(observed):
        return f"{path} is a {_described(observed)}, not a {_described(expected)}"
    if isinstance(expected, Mapping):
        return _in_mapping(expected, observed, path)
    if isinstance(expected, (list, tuple)):
        return _in_sequence(expected, observed, path)
    if isinstance(expected, float) and math.isnan(expected) and math.isnan(observed):
        return ""
    if isinstance(expected, BaseException):
        return difference(expected.args, observed.args, f"{path}.args")
    return "" if expected == observed else f"{path} is {observed!r}, not {expected!r}"


def _described(value: Any) -> str:
    return f"{type(value).__name__}, {value!r}"


def _in_mapping(expected: Mapping[Any, Any], observed: Mapping[Any, Any], path: str) -> str:
    for key in expected:
        if key not in observed:
            return f"{path} has no key {key!r}, but {list(observed)!r}"
    for key in observed:
        if key not in expected:
            return f"{path} has a key too many: {key!r}"
    found = (difference(expected[key], observed[key], f"{path}[{key!r}]") for key in expected)
    return next(filter(None, found), "")


def _in_sequence(expected: Any, observed: Any, path: str) -> str:
    if len(expected) != len(observed):
        return f"{path} has {len(observed)} items, not {len(expected)}"
    pairs = enumerate(zip(expected, observed, strict=True))
    found = (difference(one, other, f"{path}[{index}]") for index, (one, other) in pairs)
    return next(filter(None, found), "")
