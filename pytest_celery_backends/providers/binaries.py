"""The programs of a server: where they lie, and for whom they can be run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..sources import Program


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """Where a server's programs lie, and what has to be copied for them to work elsewhere.

    ``tree`` are files and directories side by side, one of which holds ``directory``.
    """

    directory: Path
    tree: tuple[Path, ...]

    def readable_by(self, user: Mapping[str, Any], program: Program, below: Path) -> Binaries:
        """These binaries, or a copy *below* a directory where that user cannot run the originals.

        A virtual environment under /root is the usual case; opening up its parents is not ours to do.
        """
        if not user or _can_run(binary_in(program, self.directory), user):
            return self
        copies = below / "binaries"
        copies.mkdir(mode=0o711)
        for original in self.tree:
            if original.is_dir():
                shutil.copytree(original, copies / original.name, symlinks=True)
            elif original.exists():
                shutil.copy2(original, copies / original.name)
        for found in [copies, *copies.rglob("*")]:
            if not found.is_symlink():
                mode = found.stat().st_mode
                found.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
        moved = copies / self.directory.relative_to(self.tree[0].parent)
        return Binaries(directory=moved, tree=(copies,))


def binary_in(program: Program, directory: Path) -> Path | None:
    """The first of a program's names that a directory holds."""
    found = (directory / name for name in program.binaries)
    return next(filter(_is_program, found), None)


def resolved(program: Program, directory: Path, word: str) -> Path | None:
    """What a command's first word means: that name in the directory, or another name of the same program.

    >>> resolved(program=..., directory=Path("/nowhere"), word="/bin/sh").name
    'sh'
    """
    path = directory / word  # an absolute path stays what it is
    if _is_program(path):
        return path
    return binary_in(program, directory) if word in program.binaries else None


def unprivileged_user() -> dict[str, Any]:
    """Arguments for ``Popen`` that make root's child the user nobody."""
    import pwd  # not on Windows

    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:  # a container without accounts
        return {"user": 65534, "group": 65534, "extra_groups": []}
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _is_program(path: Path) -> bool:
    # Not path.is_file(): it raises in a directory of PATH that we may not enter.
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _can_run(binary: Path | None, user: Mapping[str, Any]) -> bool:
    """Ask the kernel: it knows about every parent's mode, about access lists and about mount options."""
    if binary is None:
        return False
    question = ["/bin/sh", "-c", '[ -r "$0" ] && [ -x "$0" ]', str(binary)]
    asked = subprocess.run(question, cwd="/", timeout=10, check=False, **user)
    return asked.returncode == 0
