"""A private server as a process of this machine: started from its binaries, stopped by what a handle says."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import StartFailed, last_lines
from ..polling import wait_until
from ..sources import Identity, Place
from ..spec import NotReady, Refused, Service
from .binaries import resolved, unprivileged_user
from .data_directories import DataDirectory, data_directory
from .groups import MARK, RECORD, SIGNAL, end_group, remove_tree
from .ports import distinct_ports
from .readiness import another_way, one_line, wait_until_ready, without_password
from .watchdog import CLOSING

if TYPE_CHECKING:
    from .launch import Launch

LOG: Final = "log"
#: The record exists before the server does. Where the run is being closed meanwhile, give up; see watchdog.py.
_SCRIPT: Final = 'echo $$ >&0; [ ! -e "$0" ] && [ -e ../pgid ] || exit 1; exec "$@" </dev/null'
_IN_USE: Final = re.compile(r"address (is )?(already )?in use|eaddrinuse", re.IGNORECASE)
#: What a server gets of the user's environment; PGDATA, MYSQL_HOME and the like would lead it astray.
_PASSED_ON: Final = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class PortTaken(Exception):
    """A server did not come up, for another one listens on its port."""

    def __init__(self, port: int, log: str) -> None:
        super().__init__(port)
        self.port = port
        self.log = log


class Attempt:
    """One try to start a server in a fresh directory, on a fresh port.

    ``copied``: the data directory of the cache that it started on.
    """

    def __init__(self, launch: Launch, *, may_copy: bool = True) -> None:
        self.launch = launch
        self.spec, self.program = launch.spec, launch.installation.program
        self.may_copy = may_copy
        self.copied: DataDirectory | None = None
        self.spawned: list[subprocess.Popen[bytes]] = []
        self.directory = launch.run.subdirectory(launch.spec.name)
        self.user = unprivileged_user() if self.program.refuses_root and os.geteuid() == 0 else {}

    def start(self, until: float, timeout: float) -> Service:
        """The server once it answers; raises StartFailed or PortTaken, with nothing left.

        Arguments:
            until: when to give up, on the clock of ``time.monotonic()``.
            timeout: seconds, as the user gave them, for messages.
        """
        try:
            place = self._place()
            self._make_data(place, until, timeout)
            words = self.program.command(place)
            server = self._spawn(words, place, self.program.stop_signal)
            url = self.program.url(place)
            identity = self._identity(server, url, place, until, timeout)
        except BaseException:
            self._dispose()
            raise
        server.returncode = 0  # the handle is all that we keep; without this Popen warns when it is collected
        handle = {"pid": str(server.pid), "directory": str(self.directory)}
        return Service(
            backend=self.spec.name, provider=self.launch.kind, url=url, identity=identity, handle=handle
        )

    def _make_data(self, place: Place, until: float, timeout: float) -> None:
        data = place.directory / self.program.data
        cached = data_directory(self.launch.installation, self.launch.identity, self.user)
        if cached is not None and self.may_copy and cached.copy_to(data):
            self.copied = cached
        commands = self.program.renew(place) if self.copied else self.program.prepare(place)
        for words in commands:
            self._prepare(words, place, until, timeout)
        if cached is not None and not self.copied:
            cached.keep(data)

    def _dispose(self) -> None:
        end_group(self.directory)
        for process in self.spawned:
            if process.poll() is None:  # its shell has not come to writing the record
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(5)
        remove_tree(self.directory)

    def _place(self) -> Place:
        binaries = self.launch.installation.binaries.readable_by(self.user, self.program, self.directory)
        home = self.directory / "home"
        home.mkdir(mode=0o700)
        ports = distinct_ports(self.program.ports, self.launch.free_port)
        place = Place(
            binaries=binaries.directory,
            directory=home,
            port=ports[0],
            ports=ports,
            password=secrets.token_hex(16),
        )
        write_files(home, self.program.files(place))
        if self.user:
            for path in [home, *home.rglob("*")]:
                os.chown(path, self.user["user"], self.user["group"])
        return place

    def _spawn(self, words: Sequence[str], place: Place, stop_signal: str) -> subprocess.Popen[bytes]:
        binary = resolved(self.program, place.binaries, words[0])
        if binary is None:
            raise self._failed(f"there is no {words[0]} in {place.binaries}")
        (self.directory / SIGNAL).write_text(f"{stop_signal.removeprefix('SIG')}\n")
        record, closing = self.directory / RECORD, str(self.directory.parent / CLOSING)
        try:
            with record.open("wb") as stdin, (self.directory / LOG).open("ab") as log:
                process = subprocess.Popen(
                    ["/bin/sh", "-c", _SCRIPT, closing, str(binary), *words[1:]],
                    stdin=stdin,
                    stdout=log,
                    stderr=log,
                    cwd=place.directory,
                    env=self._environment(place),
                    start_new_session=True,
                    **self.user,
                )
            self.spawned.append(process)
            return process
        except OSError as error:
            reason = one_line(error)
        raise self._failed(f"{words[0]} could not be started: {reason}")

    def _environment(self, place: Place) -> dict[str, str]:
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        own = {**dict.fromkeys(("HOME", "TMPDIR"), str(place.directory)), MARK: str(self.directory)}
        return {**passed_on, **own, "LC_ALL": "C", "TZ": "UTC", **self.program.environment(place)}

    def _prepare(self, words: Sequence[str], place: Place, until: float, timeout: float) -> None:
        process = self._spawn(words, place, "SIGTERM")  # initdb is deaf to SIGINT most of the time
        with contextlib.suppress(subprocess.TimeoutExpired):
            if process.wait(max(0.0, until - time.monotonic())):
                raise self._failed(f"{words[0]} exited with {process.returncode}")
            return
        raise self._late(f"{words[0]} did not end", timeout)

    def _identity(
        self, server: subprocess.Popen[bytes], url: str, place: Place, until: float, timeout: float
    ) -> Identity:
        def check_alive() -> None:
            if server.poll() is not None:
                raise self._died(server, place)

        try:
            identity = wait_until_ready(self.spec, url, until, check_alive)
        except NotReady as error:
            failure: Exception = self._late(f"{self.spec.name} did not answer", timeout, one_line(error))
        except Refused as error:
            # Another server may sit on the port and ours be about to find out.
            if wait_until(lambda: server.poll() is not None, 0.5):
                failure = self._died(server, place)
            else:
                reason = without_password(one_line(error), place.password)
                failure = self._failed(f"{self.spec.name} refused its own password or database", reason)
        else:
            check_alive()
            known = self.launch.identity
            if known and known.product == identity.product and not identity.version:
                return known  # some servers tell no version: then it is the one of what was started
            return identity
        raise failure

    def _died(self, server: subprocess.Popen[bytes], place: Place) -> Exception:
        log = log_in(self.directory)
        if _IN_USE.search(log):
            return PortTaken(place.port, log)
        name = self.program.command(place)[0]
        return self._failed(f"{Path(name).name} exited with {server.returncode} before it answered")

    def _late(self, what: str, timeout: float, reason: str = "") -> StartFailed:
        return StartFailed(
            f"{what} within {timeout:g} s",
            tried=[reason] if reason else [],
            remedy=f"--celery-backends-timeout={max(1, round(timeout * 2))}",
            log=last_lines(log_in(self.directory)),
        )

    def _failed(self, cause: str, reason: str = "") -> StartFailed:
        log = last_lines(log_in(self.directory))
        if log and not reason:
            reason = f"its last words: {one_line(log.splitlines()[-1])}"
        return StartFailed(
            cause,
            tried=[reason] if reason else [],
            remedy=another_way(self.spec, self.launch.kind),
            log=log,
        )


def write_files(directory: Path, files: Mapping[str, str]) -> None:
    """Write what a server needs below its directory, readable for its user only."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)


def stop_process(service: Service, seconds: float = 10.0) -> None:
    """Stop the server that a handle names, gently for *seconds*, and remove its directory.

    Any process may do it, the one that started the server or another.
    """
    directory = Path(service.handle["directory"])
    end_group(directory, seconds)
    remove_tree(directory)


def log_in(directory: Path) -> str:
    """What a server printed so far.

    >>> log_in(Path("/nowhere"))
    ''
    """
    try:
        return (directory / LOG).read_text(errors="replace")
    except FileNotFoundError:
        return ""
