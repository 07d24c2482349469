"""A shell that ends a run's servers when the run's process is gone, however it went.

It reads from a pipe whose other end only we hold: the kernel closes that end even after SIGKILL. This is
plain POSIX, and unlike PR_SET_PDEATHSIG it reaches servers that fork and does not fire when merely the thread
ends that started them.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Final

#: A file in a run's directory: no server starts any more.
CLOSING: Final = "closing"

#: A line on the pipe means "stand down"; the end of the file means that we are gone.
#: Before the records are read, CLOSING is made: a server on its way up writes its record and then looks for that
#: file, so that it is either in the list or gives up. It goes last, for the same reason.
#: First each server is stopped in order, for a second at most: PostgreSQL that is killed at once leaves shared
#: memory behind. That signal is for the first process only, see groups.end_group. A stopped server may stay a
#: zombie, where process 1 is no init.
#: dash wants `kill -9 "-$group"`; with `--` it fails in silence.
_SCRIPT: Final = r"""
read -r _ && exit 0
touch "$1/closing" || exit 0
groups=
for record in "$1"/*/pgid; do
    read -r group < "$record" || continue
    case $group in '' | *[!0-9]* | 0 | 1) continue ;; esac
    if cwd=$(readlink "/proc/$group/cwd"); then
        case $cwd in "$1"*) ;; *) continue ;; esac
    fi
    read -r name < "${record%pgid}signal" || name=TERM
    kill -CONT "-$group" && groups="$groups $group"
    kill "-$name" "$group"
done
runs() {
    kill -0 "-$1" && case $(cat "/proc/$1/stat") in *") Z "*) return 1 ;; esac
}
tries=0
for group in $groups; do
    while [ "$tries" -lt 50 ] && runs "$group"; do
        tries=$((tries + 1))
        sleep 0.02 || tries=50
    done
    kill -9 "-$group"
done
tries=0
until rm -rf "$1"/*/ && rm -rf "$1" || [ "$tries" -ge 50 ]; do
    tries=$((tries + 1))
    sleep 0.1 || sleep 1
done
rmdir "${1%/*}"
"""


class Watchdog:
    """Watches over one run's directory from the moment that it is made."""

    def __init__(self, directory: Path) -> None:
        reading, self._writing = os.pipe()
        try:
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, "pytest-celery-backends-watchdog", str(directory)],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(reading)

    def stand_down(self, seconds: float = 5.0) -> None:
        """Tell it that the run is closed in order; returns when it has ended."""
        if self._writing < 0:
            return
        with contextlib.suppress(BrokenPipeError):  # somebody killed the shell
            os.write(self._writing, b"\n")
        self.let_go()
        self._shell.wait(seconds)

    def let_go(self) -> None:
        """Close our end of the pipe; a forked child must, or it would stand in for its parent."""
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1
