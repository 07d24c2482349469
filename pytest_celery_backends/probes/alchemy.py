"""A namespace on a database that SQLAlchemy knows and that needs nothing of its own beside a few statements."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any, Final

from ..errors import Unavailable
from ..masking import masked
from ..spec import NotReady, ProbeContext, Refused
from .sql import Rows, cleanup_clock

#: Seconds to wait for a connection.
LIMIT: Final = 10


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What differs: statements that make and drop a namespace, how time is counted, and whom a server refuses.

    ``limit`` is the driver's name for the seconds that connecting may take; ``refusals`` are error numbers.
    """

    url: Callable[[str, str], str]
    create: Callable[[str], Sequence[str]]
    drop: Callable[[str], Sequence[str]]
    age: Callable[[datetime], str]
    grant: str
    limit: str
    refusals: frozenset[int]


def answer(url: str, statement: str, dialect: Dialect, limit: float) -> str:
    """The one value that a statement gives; raises NotReady or Refused."""
    from sqlalchemy.exc import DBAPIError

    try:
        with connected(url, dialect, limit) as connection:
            return str(connection.exec_driver_sql(statement).scalar())
    except DBAPIError as error:
        number, reason = _told(error.orig)
    raise Refused(reason) if number in dialect.refusals else NotReady(reason)


def connected(url: str, dialect: Dialect, limit: float = LIMIT) -> Any:
    """A connection of SQLAlchemy's core that commits every statement; its engine is not Celery's."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    arguments = {dialect.limit: max(1, math.ceil(limit))}
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=arguments)
    return engine.connect()


def swept(url: str, prefix: str, names: str, dialect: Dialect) -> None:
    """Drop every namespace that the query *names* finds and whose name begins with a prefix."""
    with connected(url, dialect) as connection:
        found = [str(name) for (name,) in connection.exec_driver_sql(names).fetchall()]
        for name in found:
            for statement in dialect.drop(name) if name.lower().startswith(prefix) else ():
                connection.exec_driver_sql(statement)


class AlchemyDatabase:
    """The namespace, read over a connection that Celery does not share.

    Arguments:
        url: the service's, where namespaces are made and dropped.
    """

    #: Taken for a parameter when a statement is run, whatever the driver writes.
    placeholder = "?"

    def __init__(self, context: ProbeContext, url: str, dialect: Dialect) -> None:
        self._name, self._backend = context.namespace.name, context.service.backend
        self._timezone = context.timezone
        self._home, self._url = url, dialect.url(context.service.url, context.namespace.name)
        self._dialect = dialect
        self._connection: Any = None
        self._lock = Lock()

    @property
    def client(self) -> Any:
        """The driver's connection to the namespace."""
        return self._open().connection.driver_connection

    @property
    def age(self) -> str:
        """Seconds since ``date_done``, a wall clock's time without a timezone."""
        return self._dialect.age(cleanup_clock(self._timezone))

    def quoted(self, name: str) -> str:
        """An identifier, quoted only where it has to be: in Oracle, quotes would tell upper from lower case."""
        return str(self._open().dialect.identifier_preparer.quote(name))

    def create(self) -> None:
        """Make the namespace; raises Unavailable where the user may not."""
        from sqlalchemy.exc import DBAPIError

        try:
            self._at_home(self._dialect.create(self._name))
            return
        except DBAPIError as error:
            _, reason = _told(error.orig)
        raise Unavailable(
            f"{self._backend}: no namespace can be made for each test",
            tried=(masked(self._home), reason),
            remedy=self._dialect.grant,
        )

    def drop(self) -> None:
        """Disconnect, and drop the namespace with all that is in it."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        self._at_home(self._dialect.drop(self._name))

    def columns(self) -> Iterable[tuple[str, str]]:
        """Table and column of everything in the namespace."""
        from sqlalchemy import inspect

        with self._lock:
            inspector = inspect(self._open())
            tables = inspector.get_table_names()
            return [(table, str(each["name"])) for table in tables for each in inspector.get_columns(table)]

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> Rows:
        """Run a statement and commit it."""
        from sqlalchemy import text

        first, *rest = statement.split("?") if parameters else [statement]
        named = "".join([first, *(f":p{number}{part}" for number, part in enumerate(rest))])
        values: Mapping[str, Any] = {f"p{number}": value for number, value in enumerate(parameters)}
        with self._lock:
            result = self._open().execute(text(named), values)
            if not result.returns_rows:
                return Rows()
            return Rows(columns=tuple(result.keys()), rows=tuple(tuple(row) for row in result.fetchall()))

    def moment(self, stored: Any) -> datetime:
        """The time as the driver gives it."""
        assert isinstance(stored, datetime)
        return stored

    def stored_moment(self, moment: datetime) -> datetime:
        """The time as the driver takes it."""
        return moment

    def _open(self) -> Any:
        if self._connection is None or self._connection.closed or self._connection.invalidated:
            self._connection = connected(self._url, self._dialect)
        return self._connection

    def _at_home(self, statements: Sequence[str]) -> None:
        with connected(self._home, self._dialect) as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


def _told(error: Any) -> tuple[int, str]:
    """A driver's number of an error and its text: pymssql has a number and bytes, oracledb an object."""
    first, *rest = getattr(error, "args", None) or (error,)
    if isinstance(first, tuple):  # pymssql wraps what its lower half says
        first, *rest = first
    number = first if isinstance(first, int) else getattr(first, "code", 0)
    said = rest[0] if rest else first
    return number, " ".join((said.decode(errors="replace") if isinstance(said, bytes) else str(said)).split())
