"""A SQLite file of its own for each namespace."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final

from ..sources import Identity
from ..spec import Namespace, ProbeContext, Service
from .sql import Rows, SqlProbe, cleanup_clock, quoted

#: Seconds to wait for another connection's write.
LIMIT: Final = 10.0
_SCHEME: Final = "sqlite:///"
#: As SQLAlchemy stores a time: as text, so that cleanup compares texts.
_MOMENT: Final = "%Y-%m-%d %H:%M:%S.%f"


def file_of(service: Service, namespace: Namespace) -> Path:
    """A namespace's file."""
    return Path(service.url.removeprefix(_SCHEME)) / f"{namespace.name}.sqlite"


def identify(url: str, limit: float) -> Identity:
    """The SQLite library that Python brings."""
    return Identity(product="SQLite", version=sqlite3.sqlite_version)


def probe(context: ProbeContext) -> SqlProbe:
    """The reader of one namespace's file."""
    return SqlProbe(context, SqliteDatabase(context))


class SqliteDatabase:
    """The namespace's file, read by Python's own driver."""

    placeholder = "?"

    def __init__(self, context: ProbeContext) -> None:
        self._path = file_of(context.service, context.namespace)
        self._timezone = context.timezone
        self._connection: sqlite3.Connection | None = None
        self._lock = Lock()

    @property
    def client(self) -> sqlite3.Connection:
        """A connection that commits every statement; opening it makes the file."""
        if self._connection is None:
            self._connection = sqlite3.connect(
                self._path, timeout=LIMIT, isolation_level=None, check_same_thread=False
            )
            # Whoever reads the file sees our writes at once; that they outlive a power failure matters to nobody.
            self._connection.execute("PRAGMA synchronous=OFF")
        return self._connection

    @property
    def age(self) -> str:
        """Seconds since ``date_done``, a wall clock's time without a timezone."""
        clock = cleanup_clock(self._timezone)
        return f"(julianday('{clock:{_MOMENT}}') - julianday(date_done)) * 86400.0"

    def quoted(self, name: str) -> str:
        """An identifier as it is written in a statement."""
        return quoted(name)

    def create(self) -> None:
        """Make the directory; the file comes with Celery's first connection."""
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def drop(self) -> None:
        """Disconnect and remove the file with its journals."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        for suffix in ("", "-journal", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def columns(self) -> Iterable[tuple[str, str]]:
        """Table and column of everything in the file; nothing where there is none."""
        if not self._path.exists():
            return ()
        found = self.run(
            "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'"
        )
        return [(str(table), str(column)) for table, column in found.rows]

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> Rows:
        """Run a statement; waits up to ``LIMIT`` seconds for another connection's write."""
        with self._lock:
            cursor = self.client.execute(statement, parameters)
            names = tuple(column[0] for column in cursor.description or ())
            return Rows(columns=names, rows=tuple(cursor.fetchall()))

    def moment(self, stored: Any) -> datetime:
        """The time that a text says."""
        return datetime.fromisoformat(stored)

    def stored_moment(self, moment: datetime) -> str:
        """The text that SQLAlchemy would store."""
        return moment.strftime(_MOMENT)
