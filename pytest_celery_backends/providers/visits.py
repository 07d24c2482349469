"""Which runs wrote on servers that were given by URL: what a killed run left there is removed by a later one.

A record lies beside the runs' directories, where no watchdog removes it, and names servers by a hash of
their URL: it holds no password.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from .leftovers import is_live

RECORD: Final = "visits-"


class Visits:
    """The visits of one run, and those of the dead runs of this user on this machine.

    Arguments:
        root: where the runs' directories are.
        run: the id of this run.
    """

    def __init__(self, root: Path, run: str) -> None:
        self._root = root
        self._own = root / f"{RECORD}{run}"

    def note(self, backend: str, url: str) -> None:
        """Remember that this run writes on a server; called before it does."""
        self._own.touch(mode=0o600)
        with self._own.open("a", encoding="ascii") as record:
            record.write(f"{_line(backend, url)}\n")

    def dead(self, backend: str, url: str) -> list[str]:
        """The ids of dead runs that wrote on this server."""
        runs = (path.name.removeprefix(RECORD) for path in sorted(self._root.glob(f"{RECORD}*")))
        return [
            run for run in runs if _line(backend, url) in self._lines(run) and not is_live(self._root, run)
        ]

    def forget(self, run: str, backend: str, url: str) -> None:
        """Remember that nothing of a dead run is left on a server."""
        left = [line for line in self._lines(run) if line != _line(backend, url)]
        record = self._root / f"{RECORD}{run}"
        if left:
            record.write_text("".join(f"{line}\n" for line in left), encoding="ascii")
        else:
            record.unlink(missing_ok=True)

    def leave(self) -> None:
        """Remember that nothing of this run is left anywhere."""
        self._own.unlink(missing_ok=True)

    def _lines(self, run: str) -> list[str]:
        try:
            return (self._root / f"{RECORD}{run}").read_text(encoding="ascii").splitlines()
        except FileNotFoundError:  # another run was faster
            return []


def _line(backend: str, url: str) -> str:
    return f"{backend} {hashlib.sha256(url.encode()).hexdigest()}"
