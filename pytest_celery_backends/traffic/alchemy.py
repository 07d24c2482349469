"""Databases behind SQLAlchemy: each statement of Celery's engines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from ..round_trips import Log, Target
from . import scans


@contextmanager
def watching(target: Target, log: Log) -> Iterator[None]:
    """See each statement; the BEGIN and COMMIT around it are not counted, as nowhere else."""
    from sqlalchemy.engine import Engine, make_url
    from sqlalchemy.pool import Pool

    # as Celery takes it apart: db+postgresql+psycopg2://
    url = make_url(str(target.settings["result_backend"]).partition("+")[2])
    connecting = threading.local()

    def execute(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        engine = connection.engine
        if engine.url != url:
            return
        explain = (
            partial(scans.scans, engine, statement, parameters)
            if scans.is_explained(engine, statement)
            else None
        )
        log.command(" ".join(statement.split()), explain)

    def do_connect(dialect: Any, record: Any, args: Any, parameters: Any) -> None:
        connecting.is_ours = list(dialect.create_connect_args(url)) == [list(args), parameters]

    def connect(connection: Any, record: Any) -> None:
        if getattr(connecting, "is_ours", False):
            log.opened(id(connection), url.render_as_string(hide_password=True))

    def close(connection: Any, record: Any) -> None:
        log.closed(id(connection))

    with ExitStack() as undo:
        _listen(undo, Engine, "before_cursor_execute", execute)
        _listen(undo, Engine, "do_connect", do_connect)
        _listen(undo, Pool, "connect", connect)
        _listen(undo, Pool, "close", close)
        yield


def _listen(undo: ExitStack, target: Any, name: str, receiver: Callable[..., None]) -> None:
    from sqlalchemy import event

    event.listen(target, name, receiver)
    undo.callback(event.remove, target, name, receiver)
