"""django-celery-results in a database: each statement of the namespace's connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ..class_patches import ClassPatches
from ..round_trips import Log, Target
from .connections import watch_connections

#: Not counted, as Django's own assertNumQueries does not count those of its transactions.
_OF_TRANSACTIONS: Final = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT")


@contextmanager
def watching(target: Target, log: Log) -> Iterator[None]:
    """See each statement that goes to the namespace's file."""
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.utils import CursorWrapper

    def is_ours(connection: Any) -> bool:
        return str(connection.alias).endswith(target.namespace.name)

    def observed(name: str) -> Callable[..., Any]:
        original = getattr(CursorWrapper, name)

        def run(cursor: Any, statement: Any, *args: Any, **kwargs: Any) -> Any:
            text = " ".join(str(statement).split())
            if is_ours(cursor.db) and not text.startswith(_OF_TRANSACTIONS):
                log.command(text)
            return original(cursor, statement, *args, **kwargs)

        return run

    patches = ClassPatches()
    try:
        for name in ("execute", "executemany"):
            patches.replace(CursorWrapper, name, observed(name))
        watch_connections(patches, BaseDatabaseWrapper, log, is_ours, lambda each: str(each.alias))
        yield
    finally:
        patches.put_back()
