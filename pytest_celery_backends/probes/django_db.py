"""A SQLite file for each namespace, which Django's models of results lead to while an app is wired to it.

Django's databases are global to the process, and a test's own are none of our business: the file is not among
``DATABASES``, so that no test runner creates, blocks or rolls it back. Django asks a router of ours where to go.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from ..sources import Identity
from ..spec import Namespace, ProbeContext, Service
from .django_project import APP, after_settings_change, ensure_project, installed
from .sql import SqlProbe
from .sqlite import LIMIT, SqliteDatabase, file_of

#: A setting that Celery does not know: it is there while an app is wired to a namespace, and says to which.
SETTING: Final = "django_celery_results_database"
_ENGINE: Final = "django.db.backends.sqlite3"


def alias_of(namespace: Namespace) -> str:
    """What Django calls the namespace's database."""
    return f"celery_backends_{namespace.name}"


def identify(url: str, limit: float) -> Identity:
    """The installed django-celery-results."""
    return installed("django-celery-results", "django-celery-results")


def probe(context: ProbeContext) -> SqlProbe:
    """The reader of one namespace's file, which does not go through Django."""
    return SqlProbe(context, DjangoDatabase(context))


def enter(service: Service, namespace: Namespace) -> None:
    """Have Django in this process, as a project has, and route to the namespace's file."""
    ensure_project()
    _router().add(alias_of(namespace), file_of(service, namespace))


class DjangoDatabase(SqliteDatabase):
    """The namespace's file with django-celery-results' tables."""

    def __init__(self, context: ProbeContext) -> None:
        super().__init__(context)
        self._alias = alias_of(context.namespace)

    @property
    def age(self) -> str:
        """Seconds since ``date_done``: UTC with ``USE_TZ``, else this process's wall clock."""
        from django.conf import settings

        clock = datetime.now(timezone.utc if settings.USE_TZ else None)
        return f"(julianday('{clock:%Y-%m-%d %H:%M:%S.%f}') - julianday(date_done)) * 86400.0"

    def create(self) -> None:
        """Set Django up, let it find the file, and make the tables of the models as they are installed.

        Not by migrations, which projects leave out of their tests (``MIGRATION_MODULES``, ``--no-migrations``).
        """
        super().create()
        ensure_project()
        from django.apps import apps

        connections = _router().add(self._alias, self._path)
        if not list(self.columns()):
            with connections.here().schema_editor() as editor:
                for model in apps.get_app_config(APP).get_models():
                    editor.create_model(model)

    def drop(self) -> None:
        """Disconnect all threads, give Django back as it was, and remove the file."""
        from django.conf import settings

        if settings.configured:
            _router().remove(self._alias)
        super().drop()


class Connections:
    """Django's connections to one file, one for each thread, as Django wants it."""

    def __init__(self, alias: str, path: Path) -> None:
        self._alias = alias
        self._path = path
        self._made: list[tuple[threading.Thread, Any]] = []
        self._lock = threading.Lock()

    def here(self) -> Any:
        """This thread's connection, which ``django.db.connections`` finds in this thread from then on."""
        from django.db import connections
        from django.utils.connection import ConnectionDoesNotExist

        with suppress(ConnectionDoesNotExist):
            return connections[self._alias]
        with self._lock:
            for thread, ended in self._made:
                if not thread.is_alive():
                    ended.close()
            connection = _connection(self._alias, self._path)
            self._made = [each for each in self._made if each[0].is_alive()]
            self._made.append((threading.current_thread(), connection))
        connections[self._alias] = connection
        return connection

    def close(self) -> None:
        """Close the connections of all threads."""
        from django.db import connections

        with self._lock:
            for _, connection in self._made:
                connection.close()
            self._made = []
        with suppress(AttributeError):  # this thread has none
            del connections[self._alias]


def _connection(alias: str, path: Path) -> Any:
    from django.db import ConnectionHandler
    from django.db.backends.sqlite3.base import DatabaseWrapper

    class Connection(DatabaseWrapper):  # type: ignore[misc]
        def ensure_connection(self) -> None:
            """As Django's, which pytest-django replaces for all databases outside ``django_db`` tests."""
            if self.connection is None:
                with self.wrap_database_errors:
                    self.connect()

        def get_new_connection(self, parameters: Any) -> Any:
            connection = super().get_new_connection(parameters)
            # Whoever reads the file sees our writes at once; that they outlive a power failure matters to nobody.
            connection.execute("PRAGMA synchronous=OFF")
            return connection

        def _start_transaction_under_autocommit(self) -> None:
            # A transaction that reads first and then writes fails at once where another thread writes.
            self.cursor().execute("BEGIN IMMEDIATE")

    wanted = {"default": {"ENGINE": _ENGINE, "NAME": str(path), "OPTIONS": {"timeout": LIMIT}}}
    connection = Connection(ConnectionHandler(wanted).settings["default"], alias)
    connection.inc_thread_sharing()  # it is closed by the thread that drops the namespace
    return connection


class Router:
    """Sends django-celery-results' models to the namespace that Celery's default app is wired to, if any.

    https://docs.djangoproject.com/en/stable/topics/db/multi-db/#using-routers
    """

    def __init__(self) -> None:
        self._places: dict[str, Connections] = {}
        self._undo: list[Callable[[], None]] = []

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        """The alias of the namespace; None, which leaves it to the project, between tests and for other models."""
        if model._meta.app_label != APP:
            return None
        alias = _wired_alias()
        if alias not in self._places:
            return None
        self._places[alias].here()
        return alias

    db_for_write = db_for_read

    def add(self, alias: str, path: Path) -> Connections:
        """Route to one more file."""
        if not self._places:
            self._install()
        return self._places.setdefault(alias, Connections(alias, path))

    def remove(self, alias: str) -> None:
        """Route to a file no longer; after the last one everything in Django is as before."""
        connections = self._places.pop(alias, None)
        if connections is None:
            return
        connections.close()
        if not self._places:
            while self._undo:
                self._undo.pop()()

    def _install(self) -> None:
        from django.db import router
        from django_celery_results.managers import ResultManager

        # It looks the engine up in DATABASES, to warn of MySQL.
        engine = ResultManager.current_engine
        ResultManager.current_engine = lambda manager: (
            _ENGINE if manager.db in self._places else engine(manager)
        )
        self._undo.append(lambda: setattr(ResultManager, "current_engine", engine))
        router.routers.insert(0, self)
        self._undo.append(lambda: router.routers.remove(self))
        self._undo.append(after_settings_change(self._put_back))

    def _put_back(self, *, setting: str = "", **_: Any) -> None:
        from django.db import router

        if setting == "DATABASE_ROUTERS" and self not in router.routers:
            router.routers.insert(0, self)


def _router() -> Router:
    from django.db import router

    return next((each for each in router.routers if isinstance(each, Router)), None) or Router()


def _wired_alias() -> str:
    """The alias in the settings of Celery's default app, which is the one that a test is wired to."""
    from celery import _state

    app = _state.default_app
    if app is None or not app.configured:
        return ""
    return str(app.conf.get(SETTING) or "")
