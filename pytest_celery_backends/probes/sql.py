"""Reads the tables of Celery's database backend, on any database that a small adapter speaks to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Final, Protocol
from uuid import uuid4

from ..celery_release import celery_release
from ..spec import Copied, Held, ProbeContext, StoredResult, Trace
from .celery_tables import Table, celery_tables, foreign_tables
from .keys import missing

#: Added to each row that is read: for how many seconds it has been done, as cleanup counts it.
_AGE: Final = "probe_age"


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What a statement gave."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()

    def as_mappings(self) -> list[dict[str, Any]]:
        """Each row by column.

        >>> Rows(columns=("id",), rows=((1,), (2,))).as_mappings()
        [{'id': 1}, {'id': 2}]
        """
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def executed(cursor: Any, statement: str, parameters: Sequence[Any]) -> Rows:
    """What a statement gives over a cursor of any DB-API driver."""
    cursor.execute(statement, list(parameters) or None)
    if cursor.description is None:
        return Rows()
    return Rows(columns=tuple(column[0] for column in cursor.description), rows=tuple(cursor.fetchall()))


class Database(Protocol):
    """What differs between databases: a connection to one namespace, and how times are kept."""

    @property
    def client(self) -> Any:
        """The driver's connection."""

    @property
    def placeholder(self) -> str:
        """How the driver writes a parameter."""

    @property
    def age(self) -> str:
        """SQL for the seconds since ``date_done``, by the clock that ``celery.backend_cleanup`` uses."""

    def quoted(self, name: str) -> str:
        """An identifier as it is written in a statement."""

    def create(self) -> None:
        """Make the namespace."""

    def drop(self) -> None:
        """Remove the namespace and disconnect."""

    def columns(self) -> Iterable[tuple[str, str]]:
        """Table and column of everything in the namespace."""

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> Rows:
        """Run a statement and commit it."""

    def moment(self, stored: Any) -> datetime:
        """``date_done`` as the driver gives it."""

    def stored_moment(self, moment: datetime) -> Any:
        """``date_done`` as Celery stores it."""


def quoted(name: str) -> str:
    """An identifier in standard SQL.

    >>> print(quoted('an "odd" name'))
    "an ""odd"" name"
    """
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def cleanup_clock(zone: tzinfo) -> datetime:
    """The wall clock that ``celery.backend_cleanup`` reads, for columns without a timezone.

    It is that of the app's timezone up to Celery 5.6 and UTC since (celery#10866), whatever ``date_done`` was
    taken from: UTC in 5.4, the app's timezone since.
    """
    return datetime.now(timezone.utc if celery_release() >= (5, 7) else zone)


class SqlProbe:
    """The rows of Celery's two tables in one namespace. A namespace without tables is empty.

    What is ``raw`` is the ``result`` column: the state is a column of its own, and up to
    Celery 5.6 the result is a pickle whatever ``result_serializer`` says.
    """

    def __init__(self, context: ProbeContext, database: Database) -> None:
        self._lifetime = context.lifetime
        self._database = database
        self._known: tuple[Table, ...] = ()

    @property
    def client(self) -> Any:
        """The driver's connection to the namespace; it commits every statement."""
        return self._database.client

    def create(self) -> None:
        """Make the namespace."""
        self._database.create()

    def empty(self) -> None:
        """Delete all rows; the tables stay, for Celery's backend remembers having made them."""
        for table in self._tables():
            self._database.run(f"DELETE FROM {self._database.quoted(table.name)}")

    def drop(self) -> None:
        """Remove the namespace and disconnect."""
        self._known = ()
        self._database.drop()

    def stored(self) -> Sequence[StoredResult]:
        """Every row, by table and id."""
        return [self._result(table, row) for table in self._tables() for row in self._rows(table)]

    def traces(self) -> Sequence[Trace]:
        """The namespace's tables that are not Celery's."""
        return [Trace(kind="table", name=name) for name in foreign_tables(self._database.columns())]

    def held(self, task_id: str) -> Held | None:
        """A task's row, None where it has none."""
        found = self._row(task_id)
        return None if found is None else Held(state=str(found[1]["status"]), raw=_bytes(found[1]["result"]))

    def aged_copy(self, task_id: str, seconds: float, kind: Copied = "task") -> str:
        """Store a copy of a row that was done *seconds* earlier: ``celery.backend_cleanup`` goes by that.

        Raises:
            LookupError: nothing is stored for the task.
        """
        found = self._row(task_id, kind)
        if found is None:
            raise missing(task_id)
        table, row = found
        database, copy = self._database, str(uuid4())
        row[table.id_column] = copy
        if row["date_done"] is not None:
            older = database.moment(row["date_done"]) - timedelta(seconds=seconds)
            row["date_done"] = database.stored_moment(older)
        name = database.quoted(table.name)
        # Celery's own ids count upwards from a sequence, which is none of our business; MySQL takes 0 for a
        # request to count.
        lowest = "SELECT CASE WHEN MIN(id) < 0 THEN MIN(id) ELSE 0 END - 1"
        (row["id"],) = database.run(f"{lowest} FROM {name}").rows[0]
        names = ", ".join(database.quoted(column) for column in row)
        marks = ", ".join([database.placeholder] * len(row))
        database.run(f"INSERT INTO {name} ({names}) VALUES ({marks})", list(row.values()))
        return copy

    def advance(self, seconds: float) -> None:
        """Let every row be done *seconds* earlier."""
        database = self._database
        mark = database.placeholder
        for table in self._tables():
            if table.kind == "chord":
                continue
            name = database.quoted(table.name)
            rows = database.run(f"SELECT id, date_done FROM {name} WHERE date_done IS NOT NULL").rows
            for row_id, done in rows:
                older = database.stored_moment(database.moment(done) - timedelta(seconds=seconds))
                database.run(f"UPDATE {name} SET date_done = {mark} WHERE id = {mark}", [older, row_id])

    def remove(self, task_id: str, kind: Copied = "task") -> None:
        """Delete a task's row; nothing happens where there is none."""
        mark = self._database.placeholder
        for table in self._tables():
            if table.kind == kind:
                name, column = self._database.quoted(table.name), self._database.quoted(table.id_column)
                self._database.run(f"DELETE FROM {name} WHERE {column} = {mark}", [task_id])

    def _tables(self) -> tuple[Table, ...]:
        """Looked up until both are there: Celery makes them with its first connection."""
        if not {"task", "group"} <= {table.kind for table in self._known}:
            self._known = celery_tables(self._database.columns())
        return self._known

    def _rows(self, table: Table) -> list[dict[str, Any]]:
        age = f"{self._database.age if table.kind != 'chord' else 'NULL'} AS {_AGE}"
        name = self._database.quoted(table.name)
        rows = self._database.run(f"SELECT t.*, {age} FROM {name} t").as_mappings()
        # Not by the database, whose order depends on its collation.
        return sorted(rows, key=lambda row: str(row[table.id_column]))

    def _row(self, task_id: str, kind: Copied = "task") -> tuple[Table, dict[str, Any]] | None:
        mark = self._database.placeholder
        for table in self._tables():
            if table.kind != kind:
                continue
            name, column = self._database.quoted(table.name), self._database.quoted(table.id_column)
            found = self._database.run(f"SELECT * FROM {name} WHERE {column} = {mark}", [task_id])
            for row in found.as_mappings():
                return table, row
        return None

    def _result(self, table: Table, row: Mapping[str, Any]) -> StoredResult:
        age, subject = row[_AGE], str(row[table.id_column])
        expires = None if age is None or self._lifetime is None else self._lifetime - float(age)
        return StoredResult(
            task_id=subject,
            kind=table.kind,
            state=str(row.get("status") or ""),
            raw=_bytes(row.get("result", row.get("sub_tasks"))),
            size=sum(len(_bytes(value)) for value in row.values() if not isinstance(value, int | float)),
            expires_in=expires,
            key=f"{table.name}/{subject}",
        )


def _bytes(value: Any) -> bytes:
    """A column's content in bytes; NULL has none."""
    if value is None:
        return b""
    return str(value).encode() if isinstance(value, str | datetime) else bytes(value)
