"""A SQL Server database of its own for each namespace."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from ..sources import Identity
from ..spec import ProbeContext
from .alchemy import AlchemyDatabase, Dialect, answer, swept
from .sql import SqlProbe

_CANNOT_OPEN_DATABASE: Final = 4060


def database_url(url: str, database: str = "") -> str:
    """The URL of one database, or of the one that it names itself, with the driver that is used.

    >>> database_url("mssql://sa:p@db:1433/shop?charset=utf8", "pcb1")
    'mssql+pymssql://sa:p@db:1433/pcb1?charset=utf8'
    """
    parts = urlsplit(url.removeprefix("db+"))
    path = f"/{database}" if database else parts.path
    return urlunsplit(parts._replace(scheme="mssql+pymssql", path=path))


def _age(clock: datetime) -> str:
    moment = clock.replace(tzinfo=None).isoformat(timespec="milliseconds")
    return f"CAST(DATEDIFF_BIG(millisecond, date_done, '{moment}') AS float) / 1000"


#: A login that fails is asked again: a new server may listen before its password is set.
DIALECT: Final = Dialect(
    url=database_url,
    create=lambda name: (f"IF DB_ID('{name}') IS NULL CREATE DATABASE [{name}]",),
    # Celery's own connections may be open still, and would be waited for.
    drop=lambda name: (
        f"IF DB_ID('{name}') IS NOT NULL ALTER DATABASE [{name}] SET SINGLE_USER WITH ROLLBACK IMMEDIATE",
        f"DROP DATABASE IF EXISTS [{name}]",
    ),
    age=_age,
    grant="GRANT CREATE ANY DATABASE TO [LOGIN];",
    limit="login_timeout",
    refusals=frozenset({_CANNOT_OPEN_DATABASE}),
)


def identify(url: str, limit: float) -> Identity:
    """What the server at *url* says it is."""
    statement = "SELECT CAST(SERVERPROPERTY('ProductVersion') AS varchar(40))"
    return Identity(product="SQL Server", version=answer(database_url(url), statement, DIALECT, limit))


def sweep(url: str, prefix: str) -> None:
    """Drop every database whose name begins with a prefix."""
    swept(database_url(url), prefix, "SELECT name FROM sys.databases", DIALECT)


def probe(context: ProbeContext) -> SqlProbe:
    """The reader of one namespace's database."""
    return SqlProbe(context, AlchemyDatabase(context, database_url(context.service.url), DIALECT))


def client_command(url: str) -> str:
    """The client's command line, which asks for the password.

    >>> client_command("mssql://sa:secret@127.0.0.1:1433/shop")
    'sqlcmd -S 127.0.0.1,1433 -U sa -d shop'
    """
    parts = urlsplit(url.removeprefix("db+"))
    words = ["sqlcmd", "-S", f"{parts.hostname},{parts.port or 1433}", "-U", unquote(parts.username or "")]
    return shlex.join([*words, "-d", parts.path[1:]] if parts.path[1:] else words)
