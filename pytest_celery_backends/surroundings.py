"""What surrounds an app: its attributes' contents, the environment, the current app, kombu's pools."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

from celery import _state
from celery.utils.dispatch import Signal
from kombu import pools

from .originals import Originals, put_back_attributes

#: Cached properties of an app that do not depend on its settings; all others are a wiring's own, those
#: of the user's subclass too.
KEPT: Final = frozenset(
    {"Worker", "WorkController", "Beat", "Task", "AsyncResult", "ResultSet", "GroupResult"}
    | {"loader", "log", "tasks", "_canvas"}
)

#: Variables that Celery reads before its settings, and what they stand for.
ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CELERY_BROKER_URL": "broker_url",
        "CELERY_BROKER_READ_URL": "broker_url",
        "CELERY_BROKER_WRITE_URL": "broker_url",
        "CELERY_RESULT_BACKEND": "result_backend",
    }
)


class Pools:
    """Kombu's pools are global to the process: those made under a wiring are there with it only."""

    def __init__(self) -> None:
        self._entries: list[tuple[dict[Any, Any], Any, Any]] = []

    @property
    def owned(self) -> tuple[Any, ...]:
        """The pools of connections and of producers."""
        return tuple(pool for _, _, pool in self._entries)

    @contextmanager
    def there(self) -> Iterator[None]:
        """Have the pools where kombu looks for them, and own what is added."""
        groups: tuple[dict[Any, Any], ...] = (pools.connections, pools.producers)
        before = [dict(group) for group in groups]
        limit = pools.get_limit()
        for group, key, pool in self._entries:
            dict.setdefault(group, key, pool)
        try:
            yield
        finally:
            self._entries = [
                (group, key, dict.pop(group, key))
                for group, had in zip(groups, before, strict=True)
                for key in list(group)
                if key not in had
            ]
            if pools.get_limit() != limit:
                pools.set_limit(limit)


def derived_attributes(app_class: type[Any]) -> tuple[str, ...]:
    """Names under which an app caches what it made from its settings."""
    return tuple(
        name
        for each in app_class.__mro__
        for name, member in each.__dict__.items()
        if isinstance(member, functools.cached_property) and name not in KEPT
    )


@contextmanager
def environment(settings: Mapping[str, Any]) -> Iterator[None]:
    """Variables that are set name the test's servers, for other apps and for processes that are started."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    for name, setting in ENVIRONMENT.items():
        if before[name] is not None:
            os.environ[name] = str(settings[setting] or "")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def current(app: Any) -> Iterator[None]:
    """The app is the current one here and the default elsewhere."""
    default, current, thread = _state.default_app, _state._tls.current_app, threading.get_ident()
    _state.set_default_app(app)
    _state._set_current_app(app)
    try:
        yield
    finally:
        _state.set_default_app(default)
        if threading.get_ident() == thread:
            _state._set_current_app(current)


@contextmanager
def contents(app: Any) -> Iterator[None]:
    """What the app's attributes hold: receivers of its signals, boot steps, pending work, its loader."""
    originals = Originals()
    loader = dict(app.loader.__dict__)
    held = [value.receivers if isinstance(value, Signal) else value for value in app.__dict__.values()]
    originals.watch_all(value for value in (*held, *loader.values()) if value is not app._tasks)
    app.loader.__dict__.pop("default_modules", None)
    try:
        yield
    finally:
        put_back_attributes(app.loader.__dict__, loader)
        originals.put_back()
