"""One directory per run, which does not outlive the run's process unless it is told to."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path

from ..errors import Unavailable
from .leftovers import KEPT, LOCK, NEW, PREFIX, private_root, remove_run, sweep, try_lock
from .watchdog import Watchdog


@dataclass(frozen=True, kw_only=True)
class _Held:
    path: Path
    lock: int
    watchdog: Watchdog


class RunDirectory:
    """The directory of one run, with one sub-directory per service; made at first use.

    While the process lives it holds a lock in there. When the process goes without ``close()``, even by
    SIGKILL, a watchdog ends the servers whose process groups are recorded in the sub-directories and removes
    everything.

    Arguments:
        root: where the directory is made, for tests; else see ``leftovers.private_root``.
        member_of: the directory of a run that another process made and will close: services are put there and
            live as long as that process; ``close()`` and ``keep()`` are its business and do nothing here.

    >>> run = RunDirectory()
    >>> directory = run.subdirectory("redis")
    >>> directory.name, directory.parent.name == run.id
    ('redis-1', True)
    >>> run.close()
    >>> directory.exists()
    False
    """

    def __init__(self, *, root: Path | None = None, member_of: Path | None = None) -> None:
        self.id = member_of.name if member_of else _new_id()
        self._root = root
        self._member_of = member_of
        self._held: _Held | None = None
        self._making = threading.Lock()

    @property
    def is_owner(self) -> bool:
        """Whether this process closes the directory."""
        return self._member_of is None

    @property
    def path(self) -> Path:
        """The run's directory."""
        if self._member_of:
            return self._member_of
        with self._making:
            if self._held is None:
                self._held = self._make()
                _close_in_forked_children(self)
            return self._held.path

    def subdirectory(self, name: str) -> Path:
        """A new directory for one service, ``<name>-<number>``."""
        number = 1
        while True:
            directory = self.path / f"{name}-{number}"
            try:
                directory.mkdir()
            except FileExistsError:
                number += 1
                continue
            directory.chmod(0o711)  # whatever the umask is: a server that runs as nobody passes through
            return directory

    def close(self) -> None:
        """End what still runs in the directory and remove it; may be called twice."""
        held, self._held = self._held, None
        if held is None:
            return
        remove_run(held.path)
        held.watchdog.stand_down()
        os.close(held.lock)
        _remove_if_empty(held.path.parent)

    def keep(self) -> None:
        """Leave everything as it is, also when this process ends; no run sweeps it away."""
        held, self._held = self._held, None
        if held is None:
            return
        (held.path / KEPT).touch()
        held.watchdog.stand_down()
        os.close(held.lock)

    def sweep(self) -> tuple[str, ...]:
        """End the servers and remove the directories that dead runs of this user left; gives those runs' ids.

        Containers of dead runs are swept by ``ContainerProvider.sweep()``.
        """
        return sweep(self.path.parent)

    def forget(self) -> None:
        """Give up lock, pipe and id without touching anything: in a forked child they are the parent's."""
        held, self._held = self._held, None
        self._making = threading.Lock()
        if self.is_owner:
            self.id = _new_id()
        if held is not None:
            held.watchdog.let_go()
            os.close(held.lock)

    def _make(self) -> _Held:
        root = self._root or Path(tempfile.gettempdir())
        for _ in range(10):
            try:
                root = self._root or private_root()
                root.mkdir(mode=0o711, exist_ok=True)
                fresh = Path(tempfile.mkdtemp(prefix=NEW, dir=root))
                break
            except (FileNotFoundError, FileExistsError):
                continue  # the last run closed just now, and took the empty root with it
        else:
            raise Unavailable(f"no directory can be made in {root}", remedy=f"mkdir -m 711 {root}")
        lock = try_lock(fresh / LOCK)
        assert lock is not None, "nobody else knows this file"
        fresh.chmod(0o711)
        path = fresh.rename(root / self.id)  # only now does it look like a run: one that is locked
        return _Held(path=path, lock=lock, watchdog=Watchdog(path))


def _new_id() -> str:
    return f"{PREFIX}{secrets.token_hex(4)}"


def _remove_if_empty(root: Path) -> None:
    with contextlib.suppress(OSError):  # other runs are in there
        root.rmdir()


def _close_in_forked_children(run: RunDirectory) -> None:
    remembered = weakref.ref(run)

    def close_in_child() -> None:
        alive = remembered()
        if alive is not None:
            alive.forget()

    os.register_at_fork(after_in_child=close_in_child)
