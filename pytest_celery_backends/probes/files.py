"""Reads a directory that Celery's filesystem backend writes to."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from ..sources import Identity
from ..spec import Copied, Held, Namespace, ProbeContext, Refused, Service, StoredResult
from .keys import PREFIXES, held_in, missing, result_at, subject_of

#: Celery truncates a file and writes it again: how long a reader waits for the second half, in seconds.
WRITE_LIMIT: Final = 0.1
_SCHEME: Final = "file://"


def directory_of(service: Service, namespace: Namespace) -> Path:
    """Where a namespace's files are."""
    return Path(service.url.removeprefix(_SCHEME)) / namespace.name


def identify(url: str, limit: float) -> Identity:
    """The platform whose files these are; raises Refused where nothing can be written."""
    directory = url.removeprefix(_SCHEME)
    try:
        with tempfile.TemporaryFile(dir=directory):
            return Identity(product="Files", version=sys.platform)
    except OSError as error:
        reason = f"no file can be made in {directory}: {error.strerror}"
    raise Refused(reason, f"ls -ld {directory}")


class FilesProbe:
    """A directory of its own for each namespace."""

    def __init__(self, context: ProbeContext) -> None:
        self._context = context
        self._directory = directory_of(context.service, context.namespace)

    @property
    def client(self) -> Path:
        """The namespace's directory."""
        return self._directory

    def create(self) -> None:
        """Make the directory: Celery's backend refuses to start without it."""
        self._directory.mkdir(parents=True, exist_ok=True)

    def empty(self) -> None:
        """Remove the files in the directory."""
        for path in self._paths():
            path.unlink(missing_ok=True)

    def drop(self) -> None:
        """Remove the directory with all that is in it."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self._directory)

    def stored(self) -> Sequence[StoredResult]:
        """Every file, by name; Celery's own trial files (``.fs-backend-...``) are of kind "other"."""
        found = []
        for path in self._paths():
            with suppress(FileNotFoundError):
                modified, raw = path.stat().st_mtime, _settled(path)
                left = None if subject_of(path.name).kind == "other" else self._left(modified)
                found.append(result_at(path.name, raw, self._context.decode, left))
        return found

    def held(self, task_id: str) -> Held | None:
        """What a task's file holds, None where there is no file."""
        try:
            return held_in(_settled(self._path(task_id)), self._context.decode)
        except FileNotFoundError:
            return None

    def aged_copy(self, task_id: str, seconds: float, kind: Copied = "task") -> str:
        """Store a copy that was written *seconds* earlier; ``celery.backend_cleanup`` goes by that time.

        Raises:
            LookupError: nothing is stored for the task.
        """
        source, copy = self._path(task_id, kind), str(uuid4())
        if not source.exists():
            raise missing(task_id)
        written, target = source.stat().st_mtime - seconds, self._path(copy, kind)
        target.write_bytes(_settled(source))
        os.utime(target, (written, written))
        return copy

    def advance(self, seconds: float) -> None:
        """Let every file be written *seconds* earlier."""
        for path in self._paths():
            with suppress(FileNotFoundError):
                written = path.stat().st_mtime - seconds
                os.utime(path, (written, written))

    def remove(self, task_id: str, kind: Copied = "task") -> None:
        """Remove a task's file; nothing happens where there is none."""
        self._path(task_id, kind).unlink(missing_ok=True)

    def _path(self, task_id: str, kind: Copied = "task") -> Path:
        return self._directory / f"{PREFIXES[kind]}{task_id}"

    def _paths(self) -> list[Path]:
        with suppress(FileNotFoundError):
            return sorted(self._directory.iterdir())
        return []

    def _left(self, modified: float) -> float | None:
        """Seconds until ``FilesystemBackend.cleanup`` removes a file of that age.

        It compares the modification time with the app's wall clock read as seconds since 1970, so that
        in a timezone other than UTC files go early or late by its offset. That is what is told here.
        """
        if not self._context.lifetime:
            return None
        now = datetime.now(self._context.timezone)
        offset = now.utcoffset()
        assert offset is not None
        return modified + self._context.lifetime - now.timestamp() - offset.total_seconds()


def _settled(path: Path) -> bytes:
    """What a file holds once it is neither empty nor changing: no result is empty."""
    deadline = time.monotonic() + WRITE_LIMIT
    while True:
        before = path.stat()
        raw = path.read_bytes()
        after = path.stat()
        quiet = (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, len(raw))
        if (raw and quiet) or time.monotonic() > deadline:
            return raw
        time.sleep(0.001)
