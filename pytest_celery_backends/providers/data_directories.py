"""Data directories that were made once: each later server of the same binary starts on a copy.

They lie in a directory of the user's cache that nobody else can enter. No password is worth anything in there:
a server that starts on a copy is given a new random one before it listens (``Program.renew``, or a file that
it reads at each start). Where nothing can be cached, nothing is, and each server makes its own.

Two runs at once do not meet: what is new is made beside its place and renamed into it, and what is renamed
away first can be removed. A copy is used only if the original is what it was when it was put there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..sources import Identity
from .binaries import binary_in
from .groups import remove_tree
from .installation import Installation
from .leftovers import NAME, NEW

#: Names another directory than the user's cache; empty: nothing is cached.
VARIABLE: Final = "PYTEST_CELERY_BACKENDS_CACHE"
#: Changes when what is cached changes its form.
FORMAT: Final = 1
#: Seconds after which what nobody used, or nobody finished, is removed.
UNUSED: Final = 30 * 24 * 3600
UNFINISHED: Final = 3600
_COPY_SECONDS: Final = 60
_DATA, _MANIFEST = "data", "manifest"


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where data directories are kept, or None where that is switched off or there is no home.

    >>> cache_directory({"PYTEST_CELERY_BACKENDS_CACHE": ""}) is None
    True
    >>> str(cache_directory({"XDG_CACHE_HOME": "/home/me/.cache"}))
    '/home/me/.cache/pytest-celery-backends'
    """
    if VARIABLE in environment:
        return Path(environment[VARIABLE]) if environment[VARIABLE] else None
    usual = "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
    place = Path(environment.get("XDG_CACHE_HOME") or os.path.expanduser(usual))
    return place / NAME if place.is_absolute() else None


@dataclass(frozen=True, kw_only=True)
class DataDirectory:
    """The place of one binary's data directory in the cache, filled or not.

    >>> DataDirectory(path=Path("/nowhere/1f2e")).copy_to(Path("/nowhere/else"))
    False
    """

    path: Path

    def copy_to(self, target: Path) -> bool:
        """Make *target* a copy, with its owners, modes and times; False where there is nothing sound to copy.

        The copy shares its blocks with the original where the file system can do that.
        """
        if not _is_private(self.path.parent) or not self.path.exists():
            return False
        if _copied(self.path / _DATA, target) and self._is_sound():
            with contextlib.suppress(OSError):
                os.utime(self.path)  # for how long it was not used
            return True
        if not self._is_sound():
            self.discard()
        if os.path.lexists(target):
            remove_tree(target)
        return False

    def keep(self, data: Path) -> None:
        """Put a copy of *data*, on which no server runs, into the cache; where that cannot be done, do not."""
        # A read-only or full home, or one where somebody else's directory bears the name: no reason to fail.
        with contextlib.suppress(OSError):
            self._keep(data)

    def discard(self) -> None:
        """Take it out of the cache; whoever is copying it finds that out."""
        with contextlib.suppress(OSError):
            doomed = Path(tempfile.mkdtemp(prefix=NEW, dir=self.path.parent))
            with contextlib.suppress(FileNotFoundError):  # somebody else was faster
                self.path.rename(doomed / _DATA)
            remove_tree(doomed)

    def _keep(self, data: Path) -> None:
        root = self.path.parent
        if not _made_private(root):
            return
        fresh = Path(tempfile.mkdtemp(prefix=NEW, dir=root))
        try:
            if _copied(data, fresh / _DATA):
                (fresh / _MANIFEST).write_text(manifest(fresh / _DATA), encoding="ascii")
                fresh.rename(self.path)  # fails where another run was faster
        finally:
            if fresh.exists():
                remove_tree(fresh)
        _remove_old(root)

    def _is_sound(self) -> bool:
        try:
            return (self.path / _MANIFEST).read_text(encoding="ascii") == manifest(self.path / _DATA)
        except (OSError, UnicodeDecodeError):
            return False


def data_directory(
    installation: Installation, identity: Identity | None, user: Mapping[str, Any]
) -> DataDirectory | None:
    """The place in the cache for what *installation* makes for that user, None where nothing is cached.

    It depends on the binary (path, size, time of its last change, version), on the commands that make the
    directory, and on whom its files belong to.
    """
    root = cache_directory()
    program, binaries = installation.program, installation.binaries.directory
    binary = binary_in(program, binaries)
    if root is None or binary is None or not program.data:
        return None
    found = binary.stat()
    commands = [list(words) for words in program.prepare(installation.nowhere)]
    made_by = [str(binary.resolve()), found.st_size, found.st_mtime_ns, str(identity), commands]
    owner = user.get("user", os.geteuid())
    key = hashlib.sha256(json.dumps([FORMAT, made_by, owner]).encode()).hexdigest()
    return DataDirectory(path=root / key[:32])


def manifest(directory: Path) -> str:
    """A digest of all names, sizes, modes, owners and times below a directory."""
    lines = sorted(_described(directory, directory))
    return hashlib.sha256("\0".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _described(directory: Path, root: Path) -> Iterator[str]:
    with os.scandir(directory) as entries:
        for entry in entries:
            is_directory = entry.is_dir(follow_symlinks=False)
            found = entry.stat(follow_symlinks=False)
            # A directory's own size and time tell more about the file system than about what is in it.
            what = (0, 0) if is_directory else (found.st_size, found.st_mtime_ns)
            yield f"{entry.path[len(str(root)) :]} {found.st_mode} {found.st_uid} {what}"
            if is_directory:
                yield from _described(Path(entry.path), root)


def _copied(source: Path, target: Path) -> bool:
    """Have ``cp`` do it: it is three times as fast as we are, and knows of file systems that share blocks."""
    try:
        done = subprocess.run(
            ["cp", "-pR", str(source), str(target)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_COPY_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _made_private(root: Path) -> bool:
    """Make the cache, and say whether it is ours alone; root makes none in somebody else's home (sudo)."""
    above = next(path for path in root.parents if path.exists())
    if os.geteuid() == 0 and above.stat().st_uid != 0 and not root.exists():
        return False
    root.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        root.mkdir(mode=0o700)
    return _is_private(root)


def _is_private(root: Path) -> bool:
    try:
        found = os.lstat(root)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _remove_old(root: Path) -> None:
    for path in root.iterdir():
        age = time.time() - os.lstat(path).st_mtime
        if path.name.startswith(NEW) and age > UNFINISHED:  # its process was killed
            remove_tree(path)
        elif not path.name.startswith(NEW) and age > UNUSED:
            DataDirectory(path=path).discard()
