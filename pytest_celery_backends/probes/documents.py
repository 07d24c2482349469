"""Reads stores that keep each result as one document under Celery's key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..spec import Copied, Held, ProbeContext, StoredResult
from .keys import TASK, held_in, result_at, task_keys


@dataclass(frozen=True, kw_only=True)
class Document:
    """What is stored under a key; ``expires_in`` is in seconds, None where nothing will remove it."""

    raw: bytes
    expires_in: float | None = None


class Collection(Protocol):
    """What differs between stores: the documents of one namespace, by Celery's key."""

    @property
    def client(self) -> Any:
        """What talks to the server."""

    def create(self) -> None:
        """Make the namespace."""

    def drop(self) -> None:
        """Remove the namespace; nothing happens where there is none."""

    def documents(self) -> Mapping[str, Document]:
        """Everything in the namespace."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove some documents; those that are not there are no error."""


class DocumentProbe:
    """The documents of one namespace.

    Arguments:
        context: what the probe is for.
        collection: the store's own way to them.
        is_prefix: whether the namespace is a prefix of keys and no place of its own.
    """

    def __init__(self, context: ProbeContext, collection: Collection, *, is_prefix: bool = False) -> None:
        self._context = context
        self._collection = collection
        self._is_prefix = is_prefix

    @property
    def client(self) -> Any:
        """What talks to the server."""
        return self._collection.client

    def create(self) -> None:
        """Make the namespace."""
        self._collection.create()

    def empty(self) -> None:
        """Delete all documents."""
        self._collection.delete(list(self._collection.documents()))

    def drop(self) -> None:
        """Remove the namespace."""
        self._collection.drop()

    def stored(self) -> Sequence[StoredResult]:
        """Every document, by key."""
        found = sorted(self._collection.documents().items())
        return [result_at(key, each.raw, self._context.decode, each.expires_in) for key, each in found]

    def held(self, task_id: str) -> Held | None:
        """The encoded result of a task, None where there is none."""
        documents = self._collection.documents()
        found = (documents[key].raw for key in self._keys(task_id) if key in documents)
        return held_in(next(found, None), self._context.decode)

    def aged_copy(self, task_id: str, seconds: float, kind: Copied = "task") -> str:
        """Not possible: no such store removes results by their age."""
        raise NotImplementedError("nothing in this store goes by a result's age")

    def advance(self, seconds: float) -> None:
        """Nothing: no such store removes results by their age."""

    def remove(self, task_id: str, kind: Copied = "task") -> None:
        """Delete a task's document; nothing happens where there is none."""
        self._collection.delete(self._keys(task_id))

    def _keys(self, task_id: str) -> tuple[str, ...]:
        if self._is_prefix:
            return task_keys(self._context.namespace.name, task_id)
        return (f"{TASK}{task_id}",)


def encoded(value: Any) -> bytes:
    """What Celery handed over: text as it is, anything else as JSON.

    >>> encoded('{"status": "SUCCESS"}') == encoded({"status": "SUCCESS"})
    True
    """
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()
