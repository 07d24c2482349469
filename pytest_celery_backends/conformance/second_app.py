"""Another app on the test's own place in the store, configured as another process might be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from celery import Celery

from .. import ResultBackend


@contextmanager
def second_app(result_backend: ResultBackend, /, **settings: Any) -> Iterator[Celery]:
    """An app with the settings of the test and others on top; what it holds open is closed at the end.

    Its backend is built at first use, by Celery.
    """
    app = Celery("conformance-second", set_as_current=False)
    app.conf.update({**result_backend.settings, **settings})
    built: list[Any] = []
    build = app._get_backend

    def build_and_note() -> Any:
        built.append(as_elsewhere(build()))
        return built[-1]

    app._get_backend = build_and_note
    try:
        yield app
    finally:
        for backend in built:  # each thread has its own
            close(backend)
        app.close()


def as_elsewhere(backend: Any) -> Any:
    """A backend as another process has it, with tables of its own to make.

    Before 5.5 all database backends of a process share a session manager, which makes tables once and never again, for
    a second database neither (celery/backends/database, ``ResultSession``).
    """
    shared = getattr(type(backend), "ResultSession", None)
    if shared is not None and not hasattr(backend, "session_manager"):
        from celery.backends.database.session import SessionManager

        backend.ResultSession = partial(shared, backend, session_manager=SessionManager())
    return backend


def close(backend: Any) -> None:
    """Let go of what a backend of Celery's holds open: who listens goes before the client."""
    consumer: Any = getattr(backend, "result_consumer", None)
    if getattr(consumer, "_pubsub", None) or getattr(consumer, "_connection", None):
        consumer.stop()
    if getattr(consumer, "_pubsub", None):
        # a result that is collected later would connect anew to unsubscribe
        consumer._pubsub = None
        consumer.subscribed_to.clear()
    for name in ("client", "_connection"):
        held = vars(backend).get(name)
        # python-memcached, Celery's client before 5.7, calls it otherwise
        release = getattr(held, "close", None) or getattr(held, "disconnect_all", None)
        if release:
            release()
        # a Redis client closes no pool that it was given
        pool = getattr(held, "__dict__", {}).get("connection_pool")
        if pool is not None:
            pool.disconnect()
