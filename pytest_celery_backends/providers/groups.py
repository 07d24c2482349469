"""Process groups of private servers: recorded in a file, verified to be ours, killed.

A server runs in a session of its own and its process group's id lies in ``<directory>/pgid``, so that any
process can end it. Ids are reused, so nothing is killed before a member of the group was seen to work in
that directory.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..errors import WaitTimeout
from ..polling import wait_until

RECORD: Final = "pgid"
#: The name, without SIG, of the signal that the server stops on in order.
SIGNAL: Final = "signal"
MARK: Final = "PYTEST_CELERY_BACKENDS_DIRECTORY"
_PROC: Final = Path("/proc")


def is_running(pid: int) -> bool:
    """Whether a process runs; one that ended is no longer waited for, where it is our child.

    >>> is_running(os.getpid())
    True
    """
    try:
        ended, _ = os.waitpid(pid, os.WNOHANG)
        return not ended
    except ChildProcessError:
        return _state(pid) not in ("", "Z")


def is_ours(pid: int, directory: Path) -> bool:
    """Whether a process works in *directory*, or was started with a mention of it.

    >>> is_ours(os.getpid(), Path.cwd()), is_ours(os.getpid(), Path("/nowhere"))
    (True, False)
    """
    if pid <= 1:
        return False
    if not _has_proc():
        said = _ps("-ww", "-E", "-o", "command=", "-p", str(pid)) or _ps(
            "-ww", "-o", "command=", "-p", str(pid)
        )
        return _mentions(said.encode(), directory)
    process = _PROC / str(pid)
    try:
        where = os.readlink(process / "cwd")
        if where == str(directory) or where.startswith(f"{directory}/"):
            return True
        return any(_mentions((process / part).read_bytes(), directory) for part in ("cmdline", "environ"))
    except OSError:  # ended meanwhile, or somebody else's
        return False


def recorded_group(directory: Path) -> int | None:
    """The process group that a server's directory names, None where it names none.

    >>> recorded_group(Path("/nowhere")) is None
    True
    """
    try:
        text = (directory / RECORD).read_text().strip()
    except OSError:
        return None
    # killpg(1) would reach every process, and killing our own group would end the tests.
    return int(text) if text.isdecimal() and int(text) not in (0, 1, os.getpgrp()) else None


def end_group(directory: Path, seconds: float = 1.0) -> None:
    """Stop what the directory's record names with the recorded signal, and kill what is left after *seconds*.

    PostgreSQL that is killed at once leaves shared memory behind that nobody removes. Only the first process
    gets the signal: initdb ends its children in order, and they would die of it with their memory in use.
    """
    group = recorded_group(directory)
    ours = [pid for pid in _members(group) if is_ours(pid, directory)] if group else []
    if group and ours:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGCONT)  # a test may have paused it, and then it hears nothing
            if group in ours:
                os.kill(group, recorded_signal(directory))
        wait_until(lambda: not any(is_running(pid) for pid in ours), seconds)
    kill_group(directory)


def recorded_signal(directory: Path) -> signal.Signals:
    """The signal that a server's directory names, SIGTERM where it names none.

    >>> recorded_signal(Path("/nowhere")).name
    'SIGTERM'
    """
    with contextlib.suppress(OSError, KeyError):
        return signal.Signals[f"SIG{(directory / SIGNAL).read_text().strip()}"]
    return signal.SIGTERM


def kill_group(directory: Path, seconds: float = 5.0) -> bool:
    """SIGKILL what the directory's record names, if it is ours; gives whether there was something.

    Raises WaitTimeout where it still runs after *seconds*.
    """
    group = recorded_group(directory)
    ours = [pid for pid in _members(group) if is_ours(pid, directory)] if group else []
    if not group or not ours:
        return False
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    if not wait_until(lambda: not any(is_running(pid) for pid in ours), seconds):
        cause = f"process group {group} still runs {seconds:g} s after SIGKILL"
        raise WaitTimeout(cause, remedy=f"ps -g {group}")
    return True


def remove_tree(directory: Path, seconds: float = 5.0) -> None:
    """Remove a directory, again where a server that is just ending still writes into it.

    Raises WaitTimeout where it is still there after *seconds*.
    """

    def is_gone() -> bool:
        shutil.rmtree(directory, ignore_errors=True)
        return not os.path.lexists(directory)

    if not wait_until(is_gone, seconds):
        raise WaitTimeout(
            f"{directory} could not be removed within {seconds:g} s", remedy=f"rm -r {directory}"
        )


def _has_proc() -> bool:
    return (_PROC / "self" / "stat").exists()


def _mentions(text: bytes, directory: Path) -> bool:
    return re.search(re.escape(os.fsencode(directory)) + rb"(?![\w.-])", text) is not None


def _state(pid: int) -> str:
    if not _has_proc():
        return _ps("-o", "state=", "-p", str(pid)).strip()[:1]
    return next((state for _, state, _ in _table([str(pid)])), "")


def _members(group: int) -> list[int]:
    if not _has_proc():
        rows = [line.split() for line in _ps("-A", "-o", "pid=,pgid=").splitlines()]
        return [int(pid) for pid, of in rows if int(of) == group]
    numbers = (name for name in os.listdir(_PROC) if name.isdecimal())
    return [pid for pid, state, of in _table(numbers) if of == group and state != "Z"]


def _table(numbers: Iterator[str] | list[str]) -> Iterator[tuple[int, str, int]]:
    for number in numbers:
        try:
            stat = (_PROC / number / "stat").read_text(errors="replace")
        except OSError:  # ended meanwhile
            continue
        state, _, group, *_ = stat.rpartition(")")[2].split()  # a name may hold blanks and brackets
        yield int(number), state, int(group)


def _ps(*arguments: str) -> str:
    done = subprocess.run(["ps", *arguments], capture_output=True, text=True, timeout=10, check=False)
    return done.stdout
