"""Values that lie about themselves, and serializers that are wrong in one way each."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from kombu.serialization import register, unregister


class Liar:
    """Equal to everything."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Quarrelsome(Liar):
    """Raises when it is compared, and when it is shown."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("do not compare me")

    def __repr__(self) -> str:
        raise RuntimeError("do not look at me")

    __hash__ = None


class Forgetful(Liar):
    """Comes out of a pickle as another."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.number = -1


class OutOfStock(Exception):
    """The user's own error, with an attribute that is no argument."""

    def __init__(self, sku: str, left: int = 0) -> None:
        super().__init__(sku)
        self.left = left


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 1)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value


def _without_empty(value: Any) -> Any:
    raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


#: dumps, loads, and the content encoding, by what is wrong with them.
WRONG: Final[Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any], str]]] = {
    "rounds": (lambda value: json.dumps(_rounded(value)), json.loads, "utf-8"),
    "gives-a-number": (lambda value: 4, json.loads, "utf-8"),
    "gives-lists": (json.dumps, lambda text: list(json.loads(text).items()), "utf-8"),
    "cannot-read": (json.dumps, _without_empty, "utf-8"),
    "is-right": (pickle.dumps, pickle.loads, "binary"),
    "is-plain-json": (json.dumps, json.loads, "utf-8"),
}


@contextmanager
def registered(name: str) -> Iterator[str]:
    """One of these serializers, as kombu has it meanwhile."""
    dumps, loads, encoding = WRONG[name]
    register(name, dumps, loads, content_type=f"application/x-{name}", content_encoding=encoding)
    try:
        yield name
    finally:
        unregister(name)
