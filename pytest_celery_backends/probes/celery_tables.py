"""Which tables of a database are Celery's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ..spec import ResultKind


@dataclass(frozen=True, kw_only=True)
class Table:
    """One of Celery's tables, known by its columns: users may call it what they like."""

    name: str
    kind: ResultKind
    id_column: str


#: How tables are called that databases make for themselves: SQLite's own, and MariaDB's for Celery's sequences.
_OF_DATABASES: Final = re.compile(r"sqlite_.*|\w+_id_sequence")


def foreign_tables(columns: Iterable[tuple[str, str]]) -> list[str]:
    """The names of the tables that are neither Celery's nor the database's own.

    >>> foreign_tables([("t", "task_id"), ("t", "status"), ("sqlite_sequence", "name"), ("x", "id")])
    ['x']
    """
    columns = list(columns)
    known = {table.name for table in celery_tables(columns)}
    return sorted({name for name, _ in columns if not _OF_DATABASES.fullmatch(name)} - known)


def celery_tables(columns: Iterable[tuple[str, str]]) -> tuple[Table, ...]:
    """The tables of task results and of groups among all tables, by name.

    >>> [table.kind for table in celery_tables([("t", "task_id"), ("t", "status"), ("x", "id")])]
    ['task']
    """
    by_table: dict[str, set[str]] = {}
    for table, column in columns:
        by_table.setdefault(table, set()).add(column)
    found = []
    for name, names in sorted(by_table.items()):
        if {"task_id", "status"} <= names:
            found.append(Table(name=name, kind="task", id_column="task_id"))
        elif "taskset_id" in names:
            found.append(Table(name=name, kind="group", id_column="taskset_id"))
        elif "group_id" in names:  # django-celery-results, which counts chords in a table of its own
            kind: ResultKind = "chord" if "sub_tasks" in names else "group"
            found.append(Table(name=name, kind=kind, id_column="group_id"))
    return tuple(found)
