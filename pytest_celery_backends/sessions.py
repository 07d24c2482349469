"""Gives each of Celery's database backends sessions of its own, as its side has them in production."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .spec import Side


def own_sessions(backend: Any, side: Side) -> None:
    """Let a database backend make its own tables, and keep its connections where production keeps them.

    Up to Celery 5.4 all backends of a process share one session manager, which makes tables once and never
    again: those of a second database would be missing. Since 5.5 each has its own.

    The child processes of a prefork worker keep their connections in a pool; a process that never forked opens
    one for each operation (``SessionManager.forked`` in ``celery/backends/database/session.py``). Both sides
    are given a pool here: opening connections would be most of what a test on PostgreSQL costs.
    """
    from celery.backends.database.session import SessionManager

    manager = getattr(backend, "session_manager", None)
    if manager is None:
        manager = SessionManager()
        backend.ResultSession = partial(type(backend).ResultSession, backend, session_manager=manager)
    manager.forked = True
