"""Values as they are at one moment, for they may be changed in place later."""

from __future__ import annotations

import copy
from typing import Any, Final

_UNCHANGING: Final = frozenset({str, int, float, bool, type(None), bytes, complex})


def copied(value: Any) -> Any:
    """A value whose containers are copied, at any depth; what is in them, and what is no container, stays the same.

    >>> meta = {"steps": [1]}
    >>> seen = copied(meta)
    >>> meta["steps"].append(2)
    >>> seen
    {'steps': [1]}
    """
    try:
        return _copied(value)
    except Exception:  # it holds itself, or is of a class that cannot be copied
        return copy.copy(value) if isinstance(value, (dict, list, set)) else value


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind in _UNCHANGING:
        return value
    if kind is dict:
        return {key: _copied(each) for key, each in value.items()}
    if kind in (list, tuple, set):
        return kind(map(_copied, value))
    return copy.deepcopy(value) if isinstance(value, (dict, list, tuple, set, bytearray)) else value
