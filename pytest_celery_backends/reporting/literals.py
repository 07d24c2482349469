"""Values as source code, with the imports and the classes that it needs."""

from __future__ import annotations

import ast
import builtins
import datetime
import decimal
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..masking import Secret, SecretUrl

#: Types whose repr is source once their module is imported.
_BY_REPR: Final = (datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo)
#: What whoever runs the script has.
_INSTALLED: Final = frozenset({"celery", "kombu", "billiard"})


class NotWritable(ValueError):
    """A value has no form in source code."""


class Literals:
    """Writes values, and remembers what they need.

    >>> literals = Literals()
    >>> literals.source({"a": (1, None)}), literals.source(ValueError("boom", 3)), literals.source({2})
    ("{'a': (1, None)}", "ValueError('boom', 3)", '{2}')
    >>> literals.source(datetime.date(2026, 1, 2)), literals.imports
    ('datetime.date(2026, 1, 2)', ['import datetime'])
    """

    def __init__(self) -> None:
        self._imports: set[str] = set()
        self._classes: dict[str, str] = {}

    @property
    def imports(self) -> list[str]:
        """The statements that import what was written."""
        return sorted(self._imports)

    @property
    def classes(self) -> list[str]:
        """Classes that stand for those of the application."""
        return list(self._classes.values())

    def source(self, value: Any) -> str:
        """A value as source code; raises NotWritable."""
        if isinstance(value, BaseException):
            return self._exception(value)
        writers: Mapping[type, Callable[[Any], str]] = {
            dict: lambda each: (
                "{" + ", ".join(f"{self.source(k)}: {self.source(v)}" for k, v in each.items()) + "}"
            ),
            list: lambda each: f"[{self._listed(each)}]",
            tuple: lambda each: f"({self._listed(each)}{',' if len(each) == 1 else ''})",
            set: lambda each: f"{{{self._listed(each)}}}" if each else "set()",
            frozenset: lambda each: f"frozenset([{self._listed(each)}])",
            decimal.Decimal: lambda each: self._imported("decimal", repr(each)),
            uuid.UUID: lambda each: self._imported("uuid", repr(each)),
        }
        write = writers.get(type(value))
        if write is not None:
            return write(value)
        return self._by_repr(value)

    def _listed(self, values: Any) -> str:
        return ", ".join(map(self.source, values))

    def _imported(self, module: str, text: str) -> str:
        self._imports.add(f"import {module}")
        return text if text.startswith(f"{module}.") else f"{module}.{text}"

    def _by_repr(self, value: Any) -> str:
        text = repr(value)
        if isinstance(value, (Secret, SecretUrl)):
            return text  # masked
        if isinstance(value, _BY_REPR) and text.startswith("datetime."):
            if "zoneinfo." in text:
                self._imports.add("import zoneinfo")
            return self._imported("datetime", text)
        if isinstance(value, float) and text in ("nan", "inf", "-inf"):
            return f"float({text!r})"
        try:
            is_same = value is not ... and ast.literal_eval(text) == value
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            is_same = False
        if not is_same:
            raise NotWritable(f"a value of type {type(value).__qualname__}")
        return text

    def _exception(self, error: BaseException) -> str:
        kind = type(error)
        name = kind.__name__
        if getattr(builtins, name, None) is not kind:
            if kind.__module__.partition(".")[0] in _INSTALLED:
                self._imports.add(f"from {kind.__module__} import {name}")
            else:
                stands_on = next(each.__name__ for each in kind.__mro__ if hasattr(builtins, each.__name__))
                self._classes[name] = (
                    f"class {name}({stands_on}):\n    pass  # stands for {kind.__module__}.{name}"
                )
        return f"{name}({self._listed(error.args)})"
