"""Services that several processes share: one process owns them and answers, the others ask.

The owner is the controller of pytest-xdist. It alone starts and stops, so a process that crashes takes nothing
with it. What is asked and answered is plain data; backends go by name and by a fingerprint of their spec.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import socket
import threading
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, Final

from .errors import BackendsError, StartFailed
from .plans import Plan
from .pool import ServicePool
from .registry import Registry
from .spec import BackendSpec, Service

#: How long a path to a socket may be where it is shortest, macOS, its final zero included.
LONGEST_PATH: Final = 104

#: Where a store listens, and the key that opens it; both cross a pipe, never a command line.
Address = tuple[Any, bytes]


def fingerprint(spec: BackendSpec) -> str:
    """The same in every process that has the same spec.

    >>> from pytest_celery_backends.backends.redis import SPEC
    >>> from dataclasses import replace
    >>> fingerprint(SPEC) == fingerprint(replace(SPEC))
    True
    >>> fingerprint(SPEC) == fingerprint(replace(SPEC, title="Valkey"))
    False
    """
    return hashlib.sha256(re.sub(r" at 0x[0-9a-fA-F]+", "", repr(spec)).encode()).hexdigest()


class ServiceStore:
    """Answers other processes from a pool, each in a thread of its own.

    Arguments:
        pool: what starts the services.
        registry: the backends that this process knows.
        directory: where the socket is made; the store removes it no more than the directory itself.
    """

    def __init__(self, pool: ServicePool, registry: Registry, directory: Path) -> None:
        self._pool = pool
        self._registry = registry
        self._key = secrets.token_bytes(32)
        self._listener = _listener(directory / "store", self._key)
        #: What a ``SharedPool`` needs.
        self.address: Address = (self._listener.address, self._key)
        self._is_closed = False
        #: What the first process said about its tests' backends, for the terminal.
        self.announced: list[str] = []
        self._thread = threading.Thread(target=self._accept, name="service store", daemon=True)
        self._thread.start()

    def release(self, process: str) -> None:
        """Stop what a process that has ended had for itself; what does not stop is tried again at the end."""
        with contextlib.suppress(BackendsError):
            self._pool.release(process)

    def close(self) -> None:
        """Answer nobody any more; may be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self._wake()
        self._thread.join(5)
        self._listener.close()

    def _wake(self) -> None:
        """Let the thread see that it is over: closing a socket wakes nobody who accepts from it."""
        address = self.address[0]
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        with socket.socket(family) as wake, contextlib.suppress(OSError):  # too many wait: then it is awake
            wake.settimeout(5)
            wake.connect(address)  # without the key: the thread may have ended, and would not ask for it

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                connection = self._listener.accept()
            except (AuthenticationError, OSError, EOFError):
                continue  # whoever it was has gone, or is none of ours
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        with connection:
            try:
                question, arguments = connection.recv()
                connection.send(self._answer(question, arguments))
            except (EOFError, OSError):
                return  # the process died; what it asked for stays, for the others

    def _answer(self, question: str, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
        answers: dict[str, Callable[..., Any]] = {
            "plan": self._plan,
            "service": lambda name, version, owner: self._pool.service(self._spec(name), version, owner),
            "begin": lambda name, version, owner: self._pool.begin(self._spec(name), version, owner),
            "gone": lambda name, version, why, owner: self._pool.gone(self._spec(name), version, why, owner),
            "logs": self._pool.logs,
            "announce": self._announce,
        }
        try:
            return True, answers[question](*arguments)
        except BackendsError as error:
            return False, error
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            return False, StartFailed(f"{question} failed in the controller: {what}", remedy="pytest -n0")

    def _spec(self, name: str) -> BackendSpec:
        return self._registry.get(name)

    def _plan(self, name: str, known_as: str, version: str) -> Plan | None:
        """None where this process does not have that very backend."""
        if name not in self._registry.names or fingerprint(self._spec(name)) != known_as:
            return None
        return self._pool.plan(self._spec(name), version)

    def _announce(self, lines: list[str]) -> None:
        self.announced = self.announced or lines


def _listener(path: Path, key: bytes) -> Listener:
    if len(str(path)) >= LONGEST_PATH:
        return Listener(("127.0.0.1", 0), "AF_INET", backlog=64, authkey=key)
    listener = Listener(str(path), "AF_UNIX", backlog=64, authkey=key)
    path.chmod(0o600)
    return listener


class SharedPool:
    """A pool whose services another process has; what that does not know, or cannot share, is in ``own``.

    Arguments:
        address: of the other process's store.
        own: the pool of this process.
        process: the name of this process, for servers that serve one process only.
    """

    def __init__(self, address: Address, own: ServicePool, process: str) -> None:
        self._address = address
        self._own = own
        self._process = process
        self._plans: dict[tuple[str, str], Plan | None] = {}
        self._services: dict[tuple[str, str], Service] = {}

    def plan(self, spec: BackendSpec, version: str = "") -> Plan:
        """How the backend would be had; starts nothing."""
        return self._shared_plan(spec, version) or self._own.plan(spec, version)

    def service(self, spec: BackendSpec, version: str = "") -> Service:
        """The running service, started now if it is not; raises Unavailable or StartFailed."""
        plan = self._shared_plan(spec, version)
        if plan is None:
            return self._own.service(spec, version)
        if plan.error is not None:
            raise plan.error
        key = spec.name, version
        if key not in self._services:
            self._services[key] = self._ask("service", spec.name, version, self._owner(spec))
        return self._services[key]

    def begin(self, spec: BackendSpec, version: str = "") -> None:
        """Start a service ahead of its first use."""
        if self._shared_plan(spec, version) is None:
            self._own.begin(spec, version)
        else:
            self._ask("begin", spec.name, version, self._owner(spec))

    def announce(self, lines: list[str]) -> None:
        """Have lines shown on the terminal of the other process, once for all processes."""
        self._ask("announce", lines)

    def gone(self, spec: BackendSpec, version: str, why: str) -> StartFailed:
        """Note that a service stopped answering, for all processes; gives the error to raise."""
        if self._shared_plan(spec, version) is None:
            return self._own.gone(spec, version, why)
        self._services.pop((spec.name, version), None)
        gone: StartFailed = self._ask("gone", spec.name, version, why, self._owner(spec))
        return gone

    def logs(self, service: Service) -> str:
        """The last lines that a service printed."""
        if service in self._own.running:
            return self._own.logs(service)
        text: str = self._ask("logs", service)
        return text

    @property
    def running(self) -> list[Service]:
        """The services of this process: the others end with the other process."""
        return self._own.running

    def wait(self, seconds: float) -> bool:
        """Whether what was begun in this process is settled within so many seconds."""
        return self._own.wait(seconds)

    @property
    def progress(self) -> list[str]:
        """What is on its way up in this process."""
        return self._own.progress

    def settle(self) -> None:
        """Start nothing more in this process."""
        self._own.settle()

    def stop_all(self) -> None:
        """Stop what belongs to this process."""
        self._own.stop_all()

    def _owner(self, spec: BackendSpec) -> str:
        return "" if spec.is_shared else self._process

    def _shared_plan(self, spec: BackendSpec, version: str) -> Plan | None:
        if not spec.needs_server:
            return None  # nothing to share: a directory, or this process itself
        key = spec.name, version
        if key not in self._plans:
            self._plans[key] = self._ask("plan", spec.name, fingerprint(spec), version)
        return self._plans[key]

    def _ask(self, question: str, *arguments: Any) -> Any:
        address, key = self._address
        try:
            with Client(address, authkey=key) as connection:
                connection.send((question, arguments))
                is_good, answer = connection.recv()
        except (OSError, EOFError, AuthenticationError) as error:
            why = f"{type(error).__name__}: {error}"
        else:
            if is_good:
                return answer
            raise answer
        raise StartFailed(
            "the process that has the servers does not answer", tried=[why], remedy="pytest -n0"
        )
