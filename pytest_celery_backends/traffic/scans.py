"""Which of a database's tables a statement reads from end to end, as the database itself explains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final

_numbers: Final = count(1)
#: The first words of statements that find rows.
_SEARCHES: Final = ("SELECT", "DELETE", "UPDATE")


def scans(engine: Any, statement: str, parameters: Any) -> list[str]:
    """What the database says of each table in which it finds no row by an index; empty where it does.

    A planner takes small tables as a whole because they are small: what counts is whether it had another way.
    """
    dialect = engine.dialect.name
    with engine.connect() as connection:
        transaction = connection.begin()
        if dialect == "postgresql":  # else it reads the one page that a test fills
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        how = "EXPLAIN QUERY PLAN" if dialect == "sqlite" else "EXPLAIN"
        # SQLite's module keeps statements prepared, and SQLite explains one again as it did before a change of tables
        asked = f"{how} /* {next(_numbers)} */ {statement}"
        rows = connection.exec_driver_sql(asked, parameters).mappings().all()
        transaction.rollback()
    return _EXPLAINED[dialect](rows)


def is_explained(engine: Any, statement: str) -> bool:
    """Whether a statement looks for rows, and the plans of this database are understood.

    What explains a DELETE or an UPDATE does not run it.
    """
    return statement.split(maxsplit=1)[0].upper() in _SEARCHES and engine.dialect.name in _EXPLAINED


def _sqlite(rows: Any) -> list[str]:
    """https://www.sqlite.org/eqp.html"""
    return [row["detail"] for row in rows if row["detail"].startswith("SCAN")]


def _postgres(rows: Any) -> list[str]:
    """https://www.postgresql.org/docs/current/using-explain.html"""
    lines = [str(next(iter(row.values()))).strip(" ->") for row in rows]
    return [line.partition("  (")[0] for line in lines if line.startswith("Seq Scan")]


def _mysql(rows: Any) -> list[str]:
    """https://dev.mysql.com/doc/refman/8.4/en/explain-output.html"""
    named = [{str(name).lower(): value for name, value in row.items()} for row in rows]
    return [
        f"{row['table']}: type {row['type']}"
        for row in named
        if row["possible_keys"] is None and (row["type"] == "ALL" or _goes_through_rows(row))
    ]


def _goes_through_rows(row: Mapping[str, Any]) -> bool:
    """Whether the rows to change are looked for in the order of their key, as MariaDB says of an UPDATE."""
    return (row["type"], row["key"]) == ("index", "PRIMARY") and "Using where" in str(row["extra"])


_EXPLAINED: Final[Mapping[str, Callable[[Any], list[str]]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgres,
    "mysql": _mysql,
    "mariadb": _mysql,
}
