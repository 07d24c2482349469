"""Gives each wiring the names of its own database tables, which Celery keeps once for the whole process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

MODELS: Final = "celery.backends.database.models"


@contextmanager
def own_tables(conf: Any, backends: Sequence[Any]) -> Iterator[None]:
    """Let *backends* find their tables where *conf* puts them, and leave the models as they were.

    Celery writes ``database_table_names`` and ``database_table_schemas`` into its models when it makes a backend,
    so all backends use the tables of the last one made. A backend that is used again says it again here.
    """
    before = _configured()
    for backend in backends:
        if hasattr(backend, "taskset_cls"):
            _configure(backend, conf)
    try:
        yield
    finally:
        for model in _configured():
            # loaded meanwhile: as they are when they are imported
            _put_back(model, before.get(model, (model.__tablename__, None, None)))


def _configure(backend: Any, conf: Any) -> None:
    """What ``DatabaseBackend.__init__`` does."""
    names, schemas = conf.database_table_names or {}, conf.database_table_schemas or {}
    backend.task_cls.configure(name=names.get("task"), schema=schemas.get("task"))
    backend.taskset_cls.configure(name=names.get("group"), schema=schemas.get("group"))


def _configured() -> dict[Any, tuple[Any, Any, Any]]:
    """Where each model's rows are: name, schema and the schema of its sequence; empty before they are loaded.

    Not by the models' attributes: with SQLAlchemy 1.4, looking at one fixes the name that deletes use.
    """
    models = sys.modules.get(MODELS)
    found = (models.Task, models.TaskExtended, models.TaskSet) if models else ()
    return {
        each: (each.__table__.name, each.__table__.schema, each.__table__.c.id.default.schema)
        for each in found
    }


def _put_back(model: Any, configured: tuple[Any, Any, Any]) -> None:
    model.__table__.name, model.__table__.schema, model.__table__.c.id.default.schema = configured
