"""Methods of classes that are replaced for a while, and put back exactly as they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class _Patched:
    """A method of a class, and what stood in the class itself before (None: inherited)."""

    owner: type
    name: str
    before: Any


class ClassPatches:
    """Replaces methods, and puts back all of them at once.

    >>> class Shop:
    ...     def open(self): return "open"
    >>> patches = ClassPatches()
    >>> patches.replace(Shop, "open", lambda shop: "closed")
    >>> Shop().open(), patches.has(Shop)
    ('closed', True)
    >>> patches.put_back()
    >>> Shop().open()
    'open'
    """

    def __init__(self) -> None:
        self._patched: list[_Patched] = []

    def has(self, owner: type) -> bool:
        """Whether any method of that very class is replaced."""
        return any(patched.owner is owner for patched in self._patched)

    def replace(self, owner: type, name: str, method: Callable[..., Any]) -> None:
        """Replace a method of a class, of its own or inherited."""
        self._patched.append(_Patched(owner=owner, name=name, before=owner.__dict__.get(name)))
        setattr(owner, name, method)

    def put_back(self) -> None:
        """Put every class back, the last replaced first."""
        for patched in reversed(self._patched):
            if patched.before is None:
                delattr(patched.owner, patched.name)
            else:
                setattr(patched.owner, patched.name, patched.before)
        self._patched.clear()
