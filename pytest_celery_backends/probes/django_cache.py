"""A directory of Django's file cache for each namespace."""

from __future__ import annotations

import hashlib
import io
import pickle
import shutil
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from ..sources import Identity
from ..spec import Copied, Held, Namespace, ProbeContext, Service, StoredResult
from .django_project import after_settings_change, ensure_project, installed
from .files import directory_of
from .keys import PREFIXES, held_in, missing, state_in

_SUFFIX: Final = ".djcache"


def alias_of(namespace: Namespace) -> str:
    """What the namespace's cache is called in Django's ``CACHES``."""
    return f"celery_backends_{namespace.name}"


def identify(url: str, limit: float) -> Identity:
    """The installed Django, whose cache this is; raises Refused without django-celery-results."""
    installed("django-celery-results", "django-celery-results")
    return installed("Django cache", "Django")


def enter(service: Service, namespace: Namespace) -> None:
    """Have Django in this process, as a project has, with the namespace's cache."""
    ensure_project()
    _add(alias_of(namespace), directory_of(service, namespace))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file of the cache: when it expires, and the pickled value."""

    expiry: float | None
    raw: bytes

    @classmethod
    def read(cls, path: Path) -> Entry | None:
        """What a file holds: a pickled time, then the value, pickled and packed; None where it is over.

        Django removes what is over when it is next asked for it, and gives it to nobody.
        """
        try:
            stream = io.BytesIO(path.read_bytes())
        except FileNotFoundError:
            return None
        expiry = pickle.load(stream)
        if expiry is not None and expiry <= time.time():
            return None
        return cls(expiry=expiry, raw=zlib.decompress(stream.read()))

    def write(self, path: Path) -> None:
        """Write a file that Django reads."""
        path.write_bytes(pickle.dumps(self.expiry) + zlib.compress(self.raw))


class DjangoCacheProbe:
    """The files that Django's file cache keeps in one directory; none of them is read through Django."""

    def __init__(self, context: ProbeContext) -> None:
        self._directory = directory_of(context.service, context.namespace)
        self._alias = alias_of(context.namespace)
        self._undo: Callable[[], None] | None = None

    @property
    def client(self) -> Path:
        """The namespace's directory."""
        return self._directory

    def create(self) -> None:
        """Set Django up, make the directory, and add it to the caches that Django knows."""
        ensure_project()
        self._directory.mkdir(parents=True, exist_ok=True)
        _add(self._alias, self._directory)
        if self._undo is None:
            self._undo = after_settings_change(self._put_back)

    def empty(self) -> None:
        """Remove all entries."""
        for path in self._paths():
            path.unlink(missing_ok=True)

    def drop(self) -> None:
        """Let Django forget the cache, and remove the directory."""
        if self._undo is not None:
            from django.core.cache import caches

            undo, self._undo = self._undo, None
            undo()
            caches.settings.pop(self._alias, None)
            with suppress(AttributeError):  # this thread has not used it
                del caches[self._alias]
        with suppress(FileNotFoundError):
            shutil.rmtree(self._directory)

    def stored(self) -> Sequence[StoredResult]:
        """Every entry that is not over, by the name of its file, which is a hash of the key."""
        entries = [(path.name, Entry.read(path)) for path in self._paths()]
        return [_result(name, entry) for name, entry in entries if entry is not None]

    def held(self, task_id: str) -> Held | None:
        """The pickled result of a task, None where there is none."""
        entry = Entry.read(self._path(task_id))
        return held_in(None if entry is None else entry.raw, pickle.loads)

    def aged_copy(self, task_id: str, seconds: float, kind: Copied = "task") -> str:
        """Store a copy that expires *seconds* earlier.

        Raises:
            LookupError: nothing is stored for the task.
        """
        entry = Entry.read(self._path(task_id, kind))
        if entry is None:
            raise missing(task_id)
        copy = str(uuid4())
        expiry = None if entry.expiry is None else entry.expiry - seconds
        raw = pickle.dumps(_renamed(pickle.loads(entry.raw), copy, kind))
        Entry(expiry=expiry, raw=raw).write(self._path(copy, kind))
        return copy

    def advance(self, seconds: float) -> None:
        """Let every entry expire *seconds* earlier."""
        for path in self._paths():
            entry = Entry.read(path)
            if entry is not None and entry.expiry is not None:
                Entry(expiry=entry.expiry - seconds, raw=entry.raw).write(path)

    def remove(self, task_id: str, kind: Copied = "task") -> None:
        """Remove a task's entry; nothing happens where there is none."""
        self._path(task_id, kind).unlink(missing_ok=True)

    def _path(self, task_id: str, kind: Copied = "task") -> Path:
        """Where Django keeps a task's result, or a group: its key has a prefix, which is empty, and a version.

        https://docs.djangoproject.com/en/stable/topics/cache/#cache-key-transformation
        """
        key = f":1:{PREFIXES[kind]}{task_id}"
        return self._directory / f"{hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()}{_SUFFIX}"

    def _paths(self) -> list[Path]:
        return sorted(self._directory.glob(f"*{_SUFFIX}"))

    def _put_back(self, *, setting: str = "", **_: Any) -> None:
        if setting == "CACHES":
            _add(self._alias, self._directory)


def _add(alias: str, directory: Path) -> None:
    from django.core.cache import caches

    caches.settings[alias] = {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": str(directory),
        # Django's default is 300, after which results go at random.
        "OPTIONS": {"MAX_ENTRIES": 10**9},
    }


def _renamed(meta: Any, name: str, kind: Copied) -> Any:
    """What is stored, under another id: a key says nothing of it, so that it is read out of the value."""
    if kind == "task":
        return {**meta, "task_id": name}
    (_, parent), members = meta["result"]
    return {**meta, "result": ((name, parent), members)}


def _result(name: str, entry: Entry) -> StoredResult:
    """What an entry is: Celery stores a dictionary, which names a task's id, or has a group's in its result."""
    state = state_in(entry.raw, pickle.loads)
    meta: Any = {} if state.startswith("unreadable") else pickle.loads(entry.raw)
    expires_in = None if entry.expiry is None else entry.expiry - time.time()
    is_task = isinstance(meta, dict) and "task_id" in meta
    group = () if is_task or not isinstance(meta, dict) else meta.get("result") or ()
    return StoredResult(
        task_id=str(meta["task_id"] if is_task else group[0][0] if group else ""),
        kind="task" if is_task else "group" if group else "other",
        state=state if is_task or not meta else "",
        raw=entry.raw,
        size=len(entry.raw),
        expires_in=expires_in,
        key=name,
    )
