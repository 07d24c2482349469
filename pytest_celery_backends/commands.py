"""The round trips that an app's backends make to their server while somebody looks."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, overload

from .round_trips import Target, Traffic
from .spec import Probe

#: So many are listed in a message.
_LISTED = 30
_hidden = threading.local()


@dataclass(frozen=True, kw_only=True)
class Command:
    """One round trip; ``at`` is in seconds since recording began.

    ``explain`` asks the server which tables it reads from end to end for that, where it can be asked.
    """

    text: str
    at: float
    thread: str
    explain: Callable[[], list[str]] | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.at * 1000:.1f} ms  {self.text[:200]}  [{self.thread}]"


@dataclass(kw_only=True)
class Opened:
    """One connection that was opened while recording; ``text`` says to where."""

    text: str
    at: float
    thread: str
    is_open: bool = True

    def __str__(self) -> str:
        return (
            f"{self.at * 1000:.1f} ms  {self.text}{', still open' if self.is_open else ''}  [{self.thread}]"
        )


class Commands(Sequence[Command]):
    """The round trips so far, oldest first, those of worker and client; and the connections.

    Arguments:
        where: the server, for messages.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._began = time.monotonic()
        self._commands: list[Command] = []
        self._connections: list[Opened] = []
        self._open: dict[int, Opened] = {}
        self._unseen_connections = ""

    @overload
    def __getitem__(self, index: int) -> Command: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Command]: ...
    def __getitem__(self, index: int | slice) -> Command | Sequence[Command]:
        return self._commands[index]

    def __len__(self) -> int:
        return len(self._commands)

    @property
    def texts(self) -> list[str]:
        """The commands alone, oldest first."""
        return [each.text for each in self]

    @property
    def connections(self) -> list[Opened]:
        """The connections that were opened, oldest first; raises AssertionError where they cannot be seen."""
        __tracebackhide__ = True
        if self._unseen_connections:
            raise _cannot_be_seen("connections to", self._where, self._unseen_connections)
        return list(self._connections)

    def assert_max_commands(self, limit: int) -> None:
        """Assert that there were no more round trips so far."""
        _check("round trips to", self._where, self._commands, limit)

    def assert_max_connections(self, limit: int) -> None:
        """Assert that no more connections were opened so far, closed again or not."""
        __tracebackhide__ = True
        _check("connections to", self._where, self.connections, limit)

    def assert_uses_indexes(self) -> None:
        """Assert that no query so far reads a table from end to end, as the database explains it now.

        For databases behind SQLAlchemy. Raises AssertionError also where no query was seen that can be explained.
        """
        __tracebackhide__ = True
        asked = {each.text: each.explain for each in self if each.explain is not None}
        if not asked:
            raise _cannot_be_seen("indexes of", self._where, "no query was recorded that it explains")
        found = [f"  {scan}: {text[:200]}" for text, explain in asked.items() for scan in hidden(explain)()]
        if found:
            head = f"{len(found)} queries to {self._where} read a whole table, for want of an index"
            raise AssertionError("\n".join([head, *found[:_LISTED]]))

    # what the modules of ``traffic`` tell

    def command(self, text: str, explain: Callable[[], list[str]] | None = None) -> None:
        """Note a round trip."""
        if not getattr(_hidden, "is_on", False):
            thread = threading.current_thread().name
            self._commands.append(Command(text=text, at=self._now(), thread=thread, explain=explain))

    def opened(self, key: int, text: str) -> None:
        """Note a connection; *key* tells it from others while it is open."""
        if not getattr(_hidden, "is_on", False):
            opened = Opened(text=text, at=self._now(), thread=threading.current_thread().name)
            self._connections.append(opened)
            self._open[key] = opened

    def closed(self, key: int) -> None:
        """Note that a connection was closed; nothing happens where it was opened before."""
        opened = self._open.pop(key, None)
        if opened is not None:
            opened.is_open = False

    def cannot_see_connections(self, reason: str) -> None:
        """Note that connections are not told of."""
        self._unseen_connections = reason

    def _now(self) -> float:
        return time.monotonic() - self._began

    def __repr__(self) -> str:
        return f"<{len(self)} round trips to {self._where}>"


@contextmanager
def recorded(traffic: Traffic | None, target: Target, where: str) -> Iterator[Commands]:
    """Record what goes to *where* meanwhile; raises AssertionError where that cannot be seen."""
    __tracebackhide__ = True
    if traffic is None:
        raise _cannot_be_seen("round trips to", where, "its driver tells nobody of them")
    commands = Commands(where)
    with traffic(target, commands):
        yield commands


def _cannot_be_seen(what: str, where: str, reason: str) -> AssertionError:
    return AssertionError(f"{what} {where} cannot be seen\n  reason: {reason}")


def _check(what: str, where: str, found: Sequence[Any], limit: int) -> None:
    __tracebackhide__ = True
    if len(found) > limit:
        rows = [f"  {each}" for each in found[:_LISTED]]
        rest = [f"  and {len(found) - _LISTED} more"] if len(found) > _LISTED else []
        raise AssertionError("\n".join([f"{len(found)} {what} {where}, not {limit} at most", *rows, *rest]))


class Limited(AbstractContextManager[Commands]):
    """Records while it is entered, and checks when it is left without an error.

    Called without ``with`` it could never fail: then it warns.
    """

    def __init__(
        self,
        name: str,
        recording: Callable[[], AbstractContextManager[Commands]],
        check: Callable[[Commands], None],
    ) -> None:
        self._name = name
        self._recording = recording
        self._check = check
        self._inner: AbstractContextManager[Commands] | None = None
        self._commands: Commands | None = None

    def __enter__(self) -> Commands:
        self._inner = self._recording()
        self._commands = self._inner.__enter__()
        return self._commands

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        __tracebackhide__ = True
        assert self._inner is not None
        assert self._commands is not None
        self._inner.__exit__(kind, error, traceback)
        if kind is None:
            self._check(self._commands)

    def __del__(self) -> None:
        if self._inner is None:
            warnings.warn(
                f"{self._name} counted nothing: type: with result_backend.{self._name}:",
                RuntimeWarning,
                stacklevel=2,
            )


class UnseenProbe:
    """A probe whose round trips are no part of any recording; what its client is asked for is."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._probe, name)
        return value if name == "client" or not callable(value) else hidden(value)


def hidden(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose round trips are recorded nowhere."""

    def unseen(*args: Any, **kwargs: Any) -> Any:
        with _out_of_sight():
            return function(*args, **kwargs)

    return unseen


@contextmanager
def _out_of_sight() -> Iterator[None]:
    before = getattr(_hidden, "is_on", False)
    _hidden.is_on = True
    try:
        yield
    finally:
        _hidden.is_on = before
