"""A PostgreSQL schema of its own for each namespace."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from threading import Lock
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ..errors import Unavailable, WaitTimeout
from ..masking import masked
from ..sources import Identity
from ..spec import NotReady, ProbeContext, Refused
from .sql import Rows, SqlProbe, executed, quoted

#: Seconds to wait for a connection, and for another session's lock.
LIMIT: Final = 10
_REFUSALS: Final = re.compile(r"authentication|password|does not exist|pg_hba|permission|not permitted")
_COLUMNS: Final = """
    SELECT c.relname, a.attname FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = %s AND c.relkind IN ('r', 'p')
"""


def schema_url(url: str, schema: str = "", *, scheme: str = "postgresql") -> str:
    """The URL of one schema: its ``options`` are kept and followed by ours, the other parameters stay.

    >>> schema_url("postgres://u:p@db/shop?sslmode=require&options=-cstatement_timeout%3D5s", "pcb1")
    'postgresql://u:p@db/shop?sslmode=require&options=-cstatement_timeout%3D5s%20-csearch_path%3Dpcb1'
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if schema:
        query["options"] = f"{query.get('options', '')} -csearch_path={schema}".strip()
    encoded = urlencode(query, quote_via=quote)
    return urlunsplit(parts._replace(scheme=scheme, query=encoded))


def identify(url: str, limit: float) -> Identity:
    """What the server at *url* says it is, in the first number of its version."""
    import psycopg2

    try:
        connection = psycopg2.connect(schema_url(url), connect_timeout=max(2, math.ceil(limit)))
        try:
            with connection.cursor() as cursor:
                cursor.execute("SHOW server_version")
                (version,) = cursor.fetchone()
        finally:
            connection.close()
    except psycopg2.OperationalError as error:
        reason = " ".join(str(error).split())
    else:
        return Identity(product="PostgreSQL", version=re.findall(r"\d+(?:\.\d+)*", version)[0])
    # psycopg2 gives no SQLSTATE for a connection that failed. What is no refusal may be a server that starts.
    if re.search(r'database ".*" does not exist', reason):
        raise Refused(reason, f"createdb {urlsplit(url).path[1:]}")
    raise Refused(reason) if _REFUSALS.search(reason) else NotReady(reason)


def sweep(url: str, prefix: str) -> None:
    """Drop every schema whose name begins with a prefix."""
    import psycopg2
    from psycopg2.sql import SQL, Identifier

    connection = psycopg2.connect(schema_url(url, "public"), connect_timeout=LIMIT)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT nspname FROM pg_namespace WHERE left(nspname, %s) = %s", (len(prefix), prefix)
            )
            for (schema,) in cursor.fetchall():
                cursor.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(schema)))
    finally:
        connection.close()


def probe(context: ProbeContext) -> SqlProbe:
    """The reader of one namespace's schema."""
    return SqlProbe(context, PostgresDatabase(context))


class PostgresDatabase:
    """The namespace's schema, read by psycopg2 over a connection that Celery does not share."""

    placeholder = "%s"
    #: Cleanup compares with a time that has a timezone, so PostgreSQL takes ``date_done`` for one in the
    #: session's, as it did when Celery stored it (but Celery 5.4 stored UTC all the same).
    age = "EXTRACT(EPOCH FROM clock_timestamp() - date_done::timestamptz)::float8"

    def __init__(self, context: ProbeContext) -> None:
        self._schema = context.namespace.name
        self._url = schema_url(context.service.url, self._schema)
        self._connection: Any = None
        self._lock = Lock()

    @property
    def client(self) -> Any:
        """A psycopg2 connection that commits every statement and sees the namespace's schema."""
        import psycopg2

        if self._connection is None or self._connection.closed:
            connection = psycopg2.connect(
                self._url, connect_timeout=LIMIT, application_name="pytest-celery-backends"
            )
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = '{LIMIT}s'")
            self._connection = connection
        return self._connection

    def quoted(self, name: str) -> str:
        """An identifier as it is written in a statement."""
        return quoted(name)

    def create(self) -> None:
        """Make the schema.

        Raises:
            Unavailable: the role may not, as on a server that somebody else looks after.
        """
        from psycopg2 import errors

        try:
            self.run(f"CREATE SCHEMA IF NOT EXISTS {quoted(self._schema)}")
            return
        except (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction) as error:
            reason = str(error).strip()
        role, database = self.run("SELECT current_user, current_database()").rows[0]
        raise Unavailable(
            f"postgres: role {role} cannot make a schema for each test in database {database}",
            tried=(masked(self._url), reason),
            remedy=f"GRANT CREATE ON DATABASE {quoted(database)} TO {quoted(role)};",
        )

    def drop(self) -> None:
        """Drop the schema with all that is in it, and disconnect.

        Raises:
            WaitTimeout: another session holds a lock on one of its tables.
        """
        from psycopg2 import errors

        try:
            self.run(f"DROP SCHEMA IF EXISTS {quoted(self._schema)} CASCADE")
            return
        except errors.LockNotAvailable as error:
            reason = str(error).strip()
        finally:
            with self._lock:
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
        raise WaitTimeout(
            f"postgres: schema {self._schema} is still in use after {LIMIT} s",
            tried=(reason,),
            remedy="SELECT pid, state, query FROM pg_stat_activity;",
        )

    def columns(self) -> Iterable[tuple[str, str]]:
        """Table and column of everything in the schema."""
        return [(str(table), str(column)) for table, column in self.run(_COLUMNS, [self._schema]).rows]

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> Rows:
        """Run a statement, once more over a new connection where the server cut the old one."""
        import psycopg2

        with self._lock:
            try:
                return self._run(statement, parameters)
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                if self._connection is None or not self._connection.closed:
                    raise
            return self._run(statement, parameters)

    def _run(self, statement: str, parameters: Sequence[Any]) -> Rows:
        with self.client.cursor() as cursor:
            return executed(cursor, statement, parameters)

    def moment(self, stored: Any) -> datetime:
        """The time as psycopg2 gives it."""
        assert isinstance(stored, datetime)
        return stored

    def stored_moment(self, moment: datetime) -> datetime:
        """The time as psycopg2 takes it."""
        return moment
