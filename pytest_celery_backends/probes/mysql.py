"""A MariaDB or MySQL database of its own for each namespace."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from threading import Lock
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from ..errors import Unavailable, WaitTimeout
from ..masking import masked
from ..mysql_server import await_greeting, database_url, service_url
from ..sources import Identity
from ..spec import NotReady, ProbeContext, Refused
from .sql import Rows, SqlProbe, cleanup_clock, executed

#: Seconds to wait for a connection, and for another session's lock.
LIMIT: Final = 10
_DENIED: Final = frozenset({1044, 1045, 1130, 1142, 1227, 1251, 1290, 1370, 1698})
_UNKNOWN_DATABASE: Final = 1049
_LOCKED: Final = 1205
_DRIVER_MISSES: Final = "pip install 'pytest-celery-backends[mysql]'"


def quoted(name: str) -> str:
    """An identifier; double quotes would mean a text.

    >>> print(quoted("an `odd` name"))
    `an ``odd`` name`
    """
    escaped = name.replace("`", "``")
    return f"`{escaped}`"


def identify(url: str, limit: float) -> Identity:
    """Which product the server at *url* is, and in which version: both answer to the same protocol."""
    import pymysql

    await_greeting(url, limit)
    try:
        connection = _connected(url, connect_timeout=max(1, math.ceil(limit)))
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT VERSION(), @@version_comment")
                version, comment = cursor.fetchone()
        finally:
            connection.close()
        return product(version, comment)
    except pymysql.MySQLError as error:
        number, reason = _told(error)
    except RuntimeError as error:  # caching_sha2_password without the package cryptography
        raise Refused(str(error), _DRIVER_MISSES) from None
    if number == _UNKNOWN_DATABASE:
        raise Refused(reason, f"CREATE DATABASE {quoted(unquote(urlsplit(url).path[1:]))};")
    raise Refused(reason) if number in _DENIED else NotReady(reason)


def product(version: str, comment: str) -> Identity:
    """What a server is, by its ``VERSION()`` and ``@@version_comment``.

    >>> str(product("10.11.19-MariaDB-0+deb12u1", "Debian 12")), str(product("9.7.4", "(Debian)"))
    ('MariaDB 10.11.19', 'MySQL 9.7.4')
    """
    number = re.findall(r"\d+(?:\.\d+)*", version)[0]
    if "mariadb" in f"{version} {comment}".lower():
        return Identity(product="MariaDB", version=number)
    name = "Percona Server" if comment.startswith("Percona") else "MySQL"
    return Identity(product=name, version=number)


def sweep(url: str, prefix: str) -> None:
    """Drop every database whose name begins with a prefix."""
    connection = _connected(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA")
            # Compared here: the server would take upper and lower case for the same.
            for name in [str(row[0]) for row in cursor.fetchall() if str(row[0]).startswith(prefix)]:
                cursor.execute(f"DROP DATABASE IF EXISTS {quoted(name)}")
    finally:
        connection.close()


def probe(context: ProbeContext) -> SqlProbe:
    """The reader of one namespace's database."""
    return SqlProbe(context, MysqlDatabase(context))


class MysqlDatabase:
    """The namespace's database, read by PyMySQL over a connection that Celery does not share."""

    placeholder = "%s"

    def __init__(self, context: ProbeContext) -> None:
        self._name = context.namespace.name
        self._backend = context.service.backend
        self._url = service_url(context.service)
        self._timezone = context.timezone
        self._connection: Any = None
        self._lent: Any = None
        self._lock = Lock()

    @property
    def client(self) -> Any:
        """A PyMySQL connection that commits every statement, in the namespace's database once that is made.

        It is a test's own: such a connection serves one thread, and stores are read in the worker's too.
        """
        if self._lent is None or not self._lent.open:
            self._lent = self._open()
        return self._lent

    def _open(self) -> Any:
        connection = _connected(self._url)
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION lock_wait_timeout = {LIMIT}, innodb_lock_wait_timeout = {LIMIT}")
            cursor.execute(
                "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", [self._name]
            )
            if cursor.fetchone():
                connection.select_db(self._name)
        return connection

    @property
    def age(self) -> str:
        """Seconds since ``date_done``, a wall clock's time in whole seconds, without a timezone."""
        clock = cleanup_clock(self._timezone)
        return f"TIMESTAMPDIFF(MICROSECOND, date_done, '{clock:%Y-%m-%d %H:%M:%S.%f}') / 1e6"

    def quoted(self, name: str) -> str:
        """An identifier as it is written in a statement."""
        return quoted(name)

    def create(self) -> None:
        """Make the database, with the character set of the one that the URL names.

        Raises:
            Unavailable: the user may not, as on a server that somebody else looks after.
        """
        import pymysql

        charset, collation, account = self.run(
            "SELECT @@character_set_database, @@collation_database, CURRENT_USER()"
        ).rows[0]
        how = f"CHARACTER SET {charset} COLLATE {collation}"
        try:
            self.run(f"CREATE DATABASE IF NOT EXISTS {quoted(self._name)} {how}")
            self._connection.select_db(self._name)
            return
        except pymysql.MySQLError as error:
            number, reason = _told(error)
            if number not in _DENIED:
                raise
        user, _, host = str(account).rpartition("@")
        pattern = self._name.partition("_")[0] + r"\_%"
        raise Unavailable(
            f"{self._backend}: user {account} cannot make a database for each test",
            tried=(masked(self._url), reason),
            remedy=f"GRANT ALL ON {quoted(pattern)}.* TO '{user}'@'{host}';",
        )

    def drop(self) -> None:
        """Drop the database with all that is in it, and disconnect.

        Raises:
            WaitTimeout: another session holds a lock on one of its tables.
        """
        import pymysql

        try:
            self.run(f"DROP DATABASE IF EXISTS {quoted(self._name)}")
            return
        except pymysql.MySQLError as error:
            number, reason = _told(error)
            if number != _LOCKED:
                raise
        finally:
            with self._lock:
                for connection in (self._connection, self._lent):
                    if connection is not None and connection.open:
                        connection.close()
                self._connection = self._lent = None
        raise WaitTimeout(
            f"{self._backend}: database {self._name} is still in use after {LIMIT} s",
            tried=(reason,),
            remedy="SHOW FULL PROCESSLIST;",
        )

    def columns(self) -> Iterable[tuple[str, str]]:
        """Table and column of everything in the database."""
        found = self.run(
            "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s",
            [self._name],
        )
        return [(str(table), str(column)) for table, column in found.rows]

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> Rows:
        """Run a statement, once more over a new connection where the server cut the old one."""
        import pymysql

        with self._lock:
            try:
                return self._run(statement, parameters)
            except (pymysql.OperationalError, pymysql.InterfaceError):
                if self._connection is None or self._connection.open:
                    raise
            return self._run(statement, parameters)

    def _run(self, statement: str, parameters: Sequence[Any]) -> Rows:
        if self._connection is None or not self._connection.open:
            self._connection = self._open()
        with self._connection.cursor() as cursor:
            return executed(cursor, statement, parameters)

    def moment(self, stored: Any) -> datetime:
        """The time as PyMySQL gives it."""
        assert isinstance(stored, datetime)
        return stored

    def stored_moment(self, moment: datetime) -> datetime:
        """The time as PyMySQL takes it."""
        return moment


def _connected(url: str, connect_timeout: int = LIMIT) -> Any:
    """A connection as SQLAlchemy would make it: the URL's parameters mean what they mean to Celery."""
    import pymysql
    from sqlalchemy.engine import make_url

    given = make_url(database_url(url))
    dialect: Any = given.get_dialect()
    _, arguments = dialect(dbapi=pymysql).create_connect_args(given)
    limits: Mapping[str, Any] = {"connect_timeout": connect_timeout, "read_timeout": 6 * LIMIT}
    return pymysql.connect(**{**arguments, **limits, "autocommit": True})


def _told(error: Exception) -> tuple[int, str]:
    """A server's or the driver's number of an error, and its text."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return number, " ".join(str(error.args[-1] if error.args else error).split())
