"""Where runs keep their directories, which of them are alive, and what dead ones left."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import Final

from .groups import end_group, remove_tree

NAME: Final = "pytest-celery-backends"
PREFIX: Final = "pcb-"
NEW: Final = ".new-"
LOCK: Final = "lock"
KEPT: Final = "kept"
ROOM: Final = 512 * 1024 * 1024


def private_root(memory: Path = Path("/dev/shm")) -> Path:
    """The directory of this user's runs: in memory where that has room, else among temporary files.

    Somebody else may have made a directory of that name; then a fresh one is made, which nobody can foresee.
    """
    place = memory if _is_roomy(memory) else Path(tempfile.gettempdir())
    root = place / f"{NAME}-{os.geteuid()}"
    if not _is_own(root):
        root = Path(tempfile.mkdtemp(prefix=f"{NAME}-", dir=tempfile.gettempdir()))
    os.chmod(root, 0o711)  # a server that runs as nobody passes through
    return root


def try_lock(path: Path) -> int | None:
    """An open, locked file, or None where another process (or another part of this one) holds the lock.

    The lock belongs to the open file: it is free once everybody who has it open is gone.
    """
    import fcntl  # not on Windows

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_live(root: Path, run: str) -> bool:
    """Whether a run's process lives, or its services were kept on purpose.

    >>> is_live(Path("/nowhere"), "pcb-00000000")
    False
    """
    if (root / run / KEPT).exists():
        return True
    if not (root / run / LOCK).exists():
        return False
    try:
        descriptor = try_lock(root / run / LOCK)
    except FileNotFoundError:
        return False
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def sweep(root: Path) -> tuple[str, ...]:
    """End the servers and remove the directories of dead runs; gives their ids, in order."""
    found = _listed(root, PREFIX)
    dead = [run for run in found if _owner(run) == os.geteuid() and not is_live(root, run.name)]
    for run in dead:
        remove_run(run)
    for unborn in _listed(root, NEW):  # its process died between two system calls, before it had servers
        with contextlib.suppress(FileNotFoundError):  # or it is born just now
            if time.time() - os.lstat(unborn).st_mtime > 3600:
                remove_tree(unborn)
    return tuple(run.name for run in dead)


def remove_run(run: Path) -> None:
    """End every server that a run's directory names, and remove the directory."""
    for directory in _listed(run):
        end_group(directory)
    remove_tree(run)


def _owner(run: Path) -> int | None:
    """The user whose run it is, None where the run closed meanwhile."""
    try:
        return os.lstat(run).st_uid
    except FileNotFoundError:
        return None


def _listed(directory: Path, prefix: str = "") -> list[Path]:
    """What lies in a directory, in order; nothing where it is gone."""
    try:
        return sorted(path for path in directory.iterdir() if path.name.startswith(prefix))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_roomy(place: Path) -> bool:
    try:
        found = os.statvfs(place)
    except OSError:
        return False
    is_noexec = bool(found.f_flag & getattr(os, "ST_NOEXEC", 0))
    return os.access(place, os.W_OK | os.X_OK) and not is_noexec and found.f_bavail * found.f_frsize >= ROOM


def _is_own(root: Path) -> bool:
    with contextlib.suppress(FileExistsError):
        os.mkdir(root, 0o711)
    found = os.lstat(root)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
