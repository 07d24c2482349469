"""An Oracle user, which is a schema, of its own for each namespace."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

from ..sources import Identity
from ..spec import ProbeContext
from .alchemy import AlchemyDatabase, Dialect, answer, swept
from .sql import SqlProbe

_ACCOUNT_LOCKED: Final = 28000


def schema_url(url: str, schema: str = "") -> str:
    """The URL on which the URL's own user, with its own password, acts as the namespace's user.

    That is Oracle's proxy authentication, ``user[schema]``: the namespace's user needs no password
    (https://python-oracledb.readthedocs.io/en/latest/user_guide/connection_handling.html#proxy-authentication).

    >>> schema_url("oracle://system:p@db:1521/?service_name=FREEPDB1", "pcb1")
    'oracle+oracledb://system%5Bpcb1%5D:p@db:1521/?service_name=FREEPDB1'
    """
    parts = urlsplit(url.removeprefix("db+"))
    if not schema:
        return urlunsplit(parts._replace(scheme="oracle+oracledb"))
    account, _, host = parts.netloc.rpartition("@")
    user, mark, password = account.partition(":")
    proxied = quote(f"{unquote(user)}[{schema}]", safe="")
    return urlunsplit(parts._replace(scheme="oracle+oracledb", netloc=f"{proxied}{mark}{password}@{host}"))


def _age(clock: datetime) -> str:
    since_midnight = clock.hour * 3600 + clock.minute * 60 + clock.second + clock.microsecond / 1e6
    return f"TO_BINARY_DOUBLE((DATE '{clock:%Y-%m-%d}' - date_done) * 86400 + {since_midnight:f})"


def _unless(number: int, statement: str) -> str:
    """A statement whose one error is no error: that the user is there already, or gone."""
    ignored = f"EXCEPTION WHEN OTHERS THEN IF SQLCODE != -{number} THEN RAISE; END IF;"
    return f"BEGIN EXECUTE IMMEDIATE '{statement}'; {ignored} END;"


def _create(name: str) -> tuple[str, ...]:
    return (
        _unless(1920, f"CREATE USER {name} NO AUTHENTICATION"),
        f"GRANT CREATE SESSION, CREATE TABLE, CREATE SEQUENCE, UNLIMITED TABLESPACE TO {name}",
        f"BEGIN EXECUTE IMMEDIATE 'ALTER USER {name} GRANT CONNECT THROUGH ' || USER; END;",
    )


def _drop(name: str) -> tuple[str, ...]:
    # A user with a session cannot be dropped, and Celery's own connections may be open still.
    sessions = f"SELECT sid || ',' || serial# AS id FROM v$session WHERE username = '{name.upper()}'"
    kill = "EXECUTE IMMEDIATE 'ALTER SYSTEM KILL SESSION ' || CHR(39) || s.id || CHR(39) || ' IMMEDIATE'"
    return (
        f"BEGIN FOR s IN ({sessions}) LOOP {kill}; END LOOP; END;",
        _unless(1918, f"DROP USER {name} CASCADE"),
    )


#: A wrong password is asked again: a new server may listen before its password is set.
DIALECT: Final = Dialect(
    url=schema_url,
    create=_create,
    drop=_drop,
    age=_age,
    grant="GRANT DBA TO USER;",
    limit="tcp_connect_timeout",
    refusals=frozenset({_ACCOUNT_LOCKED}),
)


def identify(url: str, limit: float) -> Identity:
    """What the server at *url* says it is."""
    statement = "SELECT version_full FROM product_component_version WHERE ROWNUM = 1"
    return Identity(product="Oracle Database", version=answer(schema_url(url), statement, DIALECT, limit))


def sweep(url: str, prefix: str) -> None:
    """Drop every user whose name begins with a prefix."""
    swept(schema_url(url), prefix, "SELECT username FROM all_users", DIALECT)


def probe(context: ProbeContext) -> SqlProbe:
    """The reader of one namespace's schema."""
    return SqlProbe(context, AlchemyDatabase(context, schema_url(context.service.url), DIALECT))


def client_command(url: str) -> str:
    """The client's command line, which asks for the password.

    >>> client_command("oracle://system:secret@127.0.0.1:1521/?service_name=FREEPDB1")
    'sqlplus system@127.0.0.1:1521/FREEPDB1'
    """
    parts = urlsplit(url.removeprefix("db+"))
    service = parse_qs(parts.query).get("service_name", [parts.path[1:]])[0]
    return shlex.join(
        ["sqlplus", f"{unquote(parts.username or '')}@{parts.hostname}:{parts.port or 1521}/{service}"]
    )
