"""A value as text that is the same in every process, to compare what cannot be sent from one to the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def written(value: Any) -> str:
    """A value with the types of all its parts; the order of a dictionary and of a set says nothing.

    An exception is its name and its arguments: which class it comes back as is for other assertions.

    >>> written({"b": (1, 2.0), "a": {"x"}})
    "{'a': {'x'}, 'b': (1, 2.0)}"
    >>> written(KeyError("sku", 4))
    "KeyError('sku', 4)"
    """
    if isinstance(value, BaseException):
        return f"{type(value).__name__}({', '.join(map(written, value.args))})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(f'{written(key)}: {written(each)}' for key, each in value.items()))}}}"
    if type(value) is list:
        return f"[{', '.join(map(written, value))}]"
    if type(value) is tuple:
        return f"({_parts(value)}{',' if len(value) == 1 else ''})"
    if isinstance(value, (set, frozenset)):
        return f"{{{_parts(sorted(value, key=written))}}}"
    shows_address: bool = type(value).__repr__ is object.__repr__  # type: ignore[comparison-overlap]
    if shows_address:
        return f"{type(value).__qualname__}({written(vars(value)) if hasattr(value, '__dict__') else ''})"
    return repr(value)


def _parts(values: Iterable[Any]) -> str:
    return ", ".join(map(written, values))
