"""Exceptions that lose something on their way, by name; each is made anew when it is asked for.

>>> EXCEPTIONS["KeyError"]()
KeyError('k')
"""

from __future__ import annotations

import builtins
import datetime
import json
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final


class Plain(Exception):
    """A name of its own, and nothing else."""


class TwoArgs(Exception):
    """Takes two arguments and passes one on, so that it cannot be made again from what it passed on."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first}-{second}")
        self.first, self.second = first, second


class KeywordOnly(Exception):
    """Cannot be made again from its arguments: it takes none."""

    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


class Reduced(KeywordOnly):
    """The same, saying how it is made again."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _reduced, (self.code,)


def _reduced(code: int) -> Reduced:
    return Reduced(code=code)


class NoSuper(Exception):
    """Passes nothing on."""

    def __init__(self, message: str) -> None:
        self.message = message


class Fixed(Exception):
    """Takes no argument and has one."""

    def __init__(self) -> None:
        super().__init__("fixed")


class Outer:
    """A class around an exception."""

    class Inner(ValueError):
        """An exception inside of a class."""


class WithAttribute(Exception):
    """Has an attribute that is made anew with it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.extra = {"a": 1}


def local() -> Exception:
    """An exception whose class can be imported from nowhere."""

    class Local(Exception):
        pass

    return Local("l")


def _chained() -> Exception:
    error = ValueError("outer")
    error.__cause__ = KeyError("inner")
    return error


def _noted() -> Any:
    error: Any = ValueError("n")
    error.add_note("a note")
    return error


def _grouped() -> Any:
    return getattr(builtins, "ExceptionGroup")("g", [ValueError(1), KeyError(2)])  # noqa: B009  # not on 3.10


_FROM_3_11: Mapping[str, Callable[[], Any]] = {"exception_group": _grouped, "with_note": _noted}

#: Exceptions for a task to raise; the name of each, and what makes it.
EXCEPTIONS: Final[Mapping[str, Callable[[], Exception]]] = MappingProxyType(
    {
        "ValueError": lambda: ValueError("m", 1),
        "no_args": lambda: ValueError(),
        "KeyError": lambda: KeyError("k"),
        "custom_plain": lambda: Plain("m"),
        "custom_two_args": lambda: TwoArgs(1, 2),
        "custom_kwonly": lambda: KeywordOnly(code=5),
        "custom_kwonly_with_reduce": lambda: Reduced(code=5),
        "custom_no_super_init": lambda: NoSuper("hello"),
        "custom_fixed_message": Fixed,
        "custom_nested_class": lambda: Outer.Inner("n"),
        "custom_with_attribute": lambda: WithAttribute("w"),
        "local_class": local,
        "FileNotFoundError": lambda: FileNotFoundError(2, "nope", "/f"),
        "JSONDecodeError": lambda: json.JSONDecodeError("msg", "doc", 0),
        "UnicodeDecodeError": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        "arg_class": lambda: ValueError(object),
        "arg_lambda": lambda: ValueError(lambda: 1),
        "arg_set": lambda: ValueError({1}),
        "arg_tuple_datetime": lambda: ValueError((1, datetime.datetime(2024, 1, 1))),
        "arg_nul": lambda: ValueError("a\0b"),
        "arg_surrogate": lambda: ValueError("a\ud800b"),
        "chained_from": _chained,
        **(_FROM_3_11 if sys.version_info >= (3, 11) else {}),
        "StopIteration": lambda: StopIteration(5),
        "RecursionError": lambda: RecursionError("r"),
    }
)
