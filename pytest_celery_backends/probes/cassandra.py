"""A Cassandra keyspace for each namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from ..sources import Identity
from ..spec import Copied, Held, NotReady, ProbeContext, Refused, StoredResult

PORT: Final = 9042
TABLE: Final = "results"
_LIMIT: Final = 10.0


def login_of(url: str) -> Mapping[str, str]:
    """User and password in a URL, empty where it names none.

    >>> login_of("cassandra://celery:p%40ss@localhost:9042")
    {'username': 'celery', 'password': 'p@ss'}
    """
    parts = urlsplit(url)
    if not parts.username:
        return {}
    return {"username": unquote(parts.username), "password": unquote(parts.password or "")}


def connected(url: str, limit: float) -> Any:
    """A session of a cluster of its own; *limit* is in seconds for connecting and for every answer."""
    from cassandra import AuthenticationFailed
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import Cluster, NoHostAvailable

    parts, login = urlsplit(url), login_of(url)
    cluster = Cluster(
        [parts.hostname or "localhost"],
        port=parts.port or PORT,
        auth_provider=PlainTextAuthProvider(**login) if login else None,
        connect_timeout=limit,
        control_connection_timeout=limit,
    )
    try:
        return cluster.connect()
    except NoHostAvailable as error:
        reasons = list(error.errors.values())
        is_refused = any(isinstance(reason, AuthenticationFailed) for reason in reasons)
        said = "; ".join(map(str, reasons)) or str(error)
    except BaseException:
        cluster.shutdown()
        raise
    cluster.shutdown()
    raise Refused(said) if is_refused else NotReady(said)


def identify(url: str, limit: float) -> Identity:
    """What the server at *url* says it is."""
    session = connected(url, limit)
    try:
        row = session.execute("SELECT release_version FROM system.local").one()
    finally:
        session.cluster.shutdown()
    return Identity(product="Cassandra", version=str(row[0]))


def sweep(url: str, prefix: str) -> None:
    """Remove every keyspace whose name begins with a prefix."""
    session = connected(url, _LIMIT)
    try:
        for (name,) in session.execute("SELECT keyspace_name FROM system_schema.keyspaces").all():
            if name.startswith(prefix):
                session.execute(f"DROP KEYSPACE {name}")
    finally:
        session.cluster.shutdown()


class CassandraProbe:
    """The rows of the table of results in one keyspace: one for each state that a task had, newest first."""

    def __init__(self, context: ProbeContext) -> None:
        self._url = context.service.url
        self._keyspace = context.namespace.name
        self._table = f"{self._keyspace}.{TABLE}"
        self._session: Any = None

    @property
    def client(self) -> Any:
        """The driver's session."""
        if self._session is None:
            self._session = connected(self._url, _LIMIT)
        return self._session

    def create(self) -> None:
        """Make the keyspace, which Celery does not; its table comes with Celery's first result."""
        how = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
        self.client.execute(f"CREATE KEYSPACE IF NOT EXISTS {self._keyspace} WITH replication = {how}")

    def empty(self) -> None:
        """Remove all rows."""
        if self._has_table():
            self.client.execute(f"TRUNCATE {self._table}")

    def drop(self) -> None:
        """Remove the keyspace and disconnect."""
        self.client.execute(f"DROP KEYSPACE IF EXISTS {self._keyspace}")
        self._session.cluster.shutdown()
        self._session = None

    def stored(self) -> Sequence[StoredResult]:
        """The newest row of each task, by task."""
        latest: dict[str, Any] = {}
        for row in self._rows(""):
            latest.setdefault(row[0], row)
        return [_result(self._table, latest[task_id]) for task_id in sorted(latest)]

    def held(self, task_id: str) -> Held | None:
        """A task's newest row, None where it has none."""
        row = next(iter(self._rows("WHERE task_id = %s", task_id)), None)
        return None if row is None else Held(state=str(row[1] or ""), raw=bytes(row[2] or b""))

    def aged_copy(self, task_id: str, seconds: float, kind: Copied = "task") -> str:
        """Not possible: Celery ignores ``result_expires`` on Cassandra."""
        raise NotImplementedError("nothing on Cassandra goes by result_expires")

    def advance(self, seconds: float) -> None:
        """Not possible: a row's time to live is Cassandra's own to count."""
        raise NotImplementedError("Cassandra counts a row's time to live itself")

    def remove(self, task_id: str, kind: Copied = "task") -> None:
        """Remove a task's rows; nothing happens where there are none."""
        if self._has_table():
            self.client.execute(f"DELETE FROM {self._table} WHERE task_id = %s", (task_id,))

    def _rows(self, condition: str, *values: Any) -> Sequence[Any]:
        if not self._has_table():
            return ()
        columns = "task_id, status, result, TTL(result)"
        found: Sequence[Any] = self.client.execute(
            f"SELECT {columns} FROM {self._table} {condition}", values or None
        ).all()
        return found

    def _has_table(self) -> bool:
        asked = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s AND table_name = %s"
        return self.client.execute(asked, (self._keyspace, TABLE)).one() is not None


def _result(table: str, row: Any) -> StoredResult:
    task_id, state, raw, left = row
    raw = bytes(raw or b"")
    return StoredResult(
        task_id=task_id,
        kind="task",
        state=state,
        raw=raw,
        size=len(raw),
        expires_in=None if left is None else float(left),
        key=f"{table}/{task_id}",
    )
