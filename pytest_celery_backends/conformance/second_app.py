"""Another app on the test's own place in the store, configured as another process might be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery

from .. import ResultBackend


@contextmanager
def second_app(result_backend: ResultBackend, /, **settings: Any) -> Iterator[Celery]:
    """An app with the settings of the test and others on top; what it holds open is closed at the end.

    Its backend is built at first use, by Celery alone.
    """
    app = Celery("conformance-second", set_as_current=False)
    app.conf.update({**result_backend.settings, **settings})
    try:
        yield app
    finally:
        backend = getattr(app._local, "backend", None)
        if backend is not None:
            close(backend)
        app.close()


def close(backend: Any) -> None:
    """Let go of what a backend of Celery's holds open: who listens goes before the client."""
    consumer = getattr(backend, "result_consumer", None)
    if consumer is not None:
        consumer.stop()
    for name in ("client", "_connection"):
        held = vars(backend).get(name)
        if hasattr(held, "close"):
            held.close()
