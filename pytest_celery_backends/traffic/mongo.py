"""MongoDB: each command that pymongo sends to the namespace's database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..round_trips import Log, Target

if TYPE_CHECKING:
    from ..spec import Side


@dataclass(frozen=True, kw_only=True)
class _Watcher:
    """Whoever watches an app's clients now."""

    app: Any
    log: Log
    database: str


_watchers: list[_Watcher] = []


def listen(backend: Any, side: Side) -> None:
    """Have the backend's client, which is made later, tell whoever watches then.

    https://pymongo.readthedocs.io/en/stable/api/pymongo/monitoring.html
    """
    backend.options = {**backend.options, "event_listeners": _listeners(backend.app)}


@contextmanager
def watching(target: Target, log: Log) -> Iterator[None]:
    """See each command, by its name and the collection, and each connection of a client's pool.

    The two that a client has to watch its server are the driver's own, and not counted.
    """
    watcher = _Watcher(app=target.app, log=log, database=target.namespace.name)
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def _listeners(app: Any) -> list[Any]:
    from pymongo.monitoring import CommandListener, ConnectionPoolListener

    class Commands(CommandListener):
        def started(self, event: Any) -> None:
            for watcher in _watching(app):
                if event.database_name == watcher.database:
                    watcher.log.command(f"{event.command_name} {event.command.get(event.command_name)}")

        def succeeded(self, event: Any) -> None:
            """It was told of when it started."""

        failed = succeeded

    class Connections(ConnectionPoolListener):
        def connection_created(self, event: Any) -> None:
            for watcher in _watching(app):
                host, port = event.address
                watcher.log.opened(self._key(event), f"{host}:{port}")

        def connection_closed(self, event: Any) -> None:
            for watcher in _watching(app):
                watcher.log.closed(self._key(event))

        def _key(self, event: Any) -> int:
            return hash((id(self), event.address, event.connection_id))

        def _other(self, event: Any) -> None:
            """Nothing is opened or closed."""

        pool_created = pool_ready = pool_cleared = pool_closed = connection_ready = _other
        connection_check_out_started = connection_check_out_failed = _other
        connection_checked_out = connection_checked_in = _other

    return [Commands(), Connections()]


def _watching(app: Any) -> list[_Watcher]:
    return [watcher for watcher in _watchers if watcher.app is app]
