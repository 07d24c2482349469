"""Reads the dictionary in which Celery's ``cache+memory://`` keeps results."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from ..sources import Identity
from ..spec import Copied, Held, ProbeContext, StoredResult
from .keys import held_in, result_at, task_keys


def identify(url: str, limit: float) -> Identity:
    """The memory of this process, in the version of the Celery that keeps it."""
    return Identity(product="Celery memory cache", version=version("celery"))


class MemoryProbe:
    """Everything whose key begins with the namespace: all apps of a process share one dictionary.

    It holds 5000 entries and drops the oldest when there are more.
    """

    def __init__(self, context: ProbeContext) -> None:
        self._context = context
        self._prefix = f"{context.namespace.name}:".encode()

    @property
    def client(self) -> Any:
        """Celery's cache, shared by the whole process."""
        from celery.backends.cache import _DUMMY_CLIENT_CACHE

        return _DUMMY_CLIENT_CACHE

    def create(self) -> None:
        """Nothing: a prefix needs no making."""

    def empty(self) -> None:
        """Remove the namespace's entries."""
        for key, _ in self._entries():
            self.client.pop(key, None)

    def drop(self) -> None:
        """Remove the namespace's entries."""
        self.empty()

    def stored(self) -> Sequence[StoredResult]:
        """Every entry; none ever expires."""
        return [
            result_at(key.decode(), _bytes(value), self._context.decode, None)
            for key, value in sorted(self._entries())
        ]

    def held(self, task_id: str) -> Held | None:
        """The encoded result of a task as it is stored, None where there is none."""
        for key in task_keys(self._context.namespace.name, task_id):
            value = self._peek(key.encode())
            if value is not None:
                return held_in(_bytes(value), self._context.decode)
        return None

    def aged_copy(self, task_id: str, seconds: float, kind: Copied = "task") -> str:
        """Not possible: nothing in the cache has an age."""
        raise NotImplementedError("cache+memory:// keeps no time of storing and never expires a result")

    def advance(self, seconds: float) -> None:
        """Nothing: ``cache+memory://`` keeps no time of storing and never expires a result."""

    def remove(self, task_id: str, kind: Copied = "task") -> None:
        """Remove a task's result; nothing happens where there is none."""
        for key in task_keys(self._context.namespace.name, task_id, kind):
            self.client.pop(key.encode(), None)

    def _entries(self) -> list[tuple[bytes, Any]]:
        with self.client.mutex:
            return [(key, value) for key, value in self.client.data.items() if key.startswith(self._prefix)]

    def _peek(self, key: bytes) -> Any:
        """Read without making the entry the latest used one, which reading through the cache would."""
        with self.client.mutex:
            return self.client.data.get(key)


def _bytes(value: Any) -> bytes:
    """A chord's counter is a number or its digits, everything else is encoded already."""
    return value if isinstance(value, bytes) else str(value).encode()
