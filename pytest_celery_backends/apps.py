"""The Celery app under test, from ``module:attribute`` or made for the tests."""

from __future__ import annotations

import importlib
import re
from types import ModuleType
from typing import Any, Final

from .errors import AppNotFound

EXAMPLE: Final = "shop.celery:app"


def load_app(path: str) -> Any:
    """The app that a path like ``shop.celery:app`` names.

    Arguments:
        path: ``module:attribute``, where the attribute may be dotted; the module is imported.

    Raises:
        AppNotFound: the path has another form, the module does not import, or what is there is no app.
    """
    module_name, colon, attribute = path.partition(":")
    if not (module_name and colon and attribute):
        raise _not_found(path, "it is not of the form module:attribute")
    try:
        found: Any = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever the user's module raises while it is imported
        why = f"importing {module_name} raised {type(error).__name__}: {error}"
        raise _not_found(path, why.splitlines()[0]) from error
    module = found
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise _not_found(path, f"{module_name} has no attribute {attribute!r}", _app_in(module))
        found = getattr(found, name)
    if not _is_app(found):
        raise _not_found(path, f"it is a {type(found).__name__}, not a Celery app", _app_in(module))
    return _behind(found)


def given_app(value: Any) -> Any:
    """The app that the fixture gives; raises AppNotFound where it is none."""
    if _is_app(value):
        return _behind(value)
    path = value if isinstance(value, str) else _app_in(value) if isinstance(value, ModuleType) else ""
    module, _, attribute = (path if re.fullmatch(r"[\w.]+:[\w.]+", path) else EXAMPLE).partition(":")
    gives = "None" if value is None else f"something of type {type(value).__name__}"
    raise AppNotFound(
        "the fixture celery_backends_app leads to no Celery app",
        tried=[f"it gives {gives}, not a Celery app"],
        remedy=f"from {module} import {attribute.partition('.')[0]}; return {attribute}",
    )


def _is_app(value: object) -> bool:
    from celery import Celery

    return isinstance(value, Celery)


def _behind(app: Any) -> Any:
    """The app itself where it is one of Celery's proxies: as the current app, ``current_app`` would ask itself."""
    from celery.local import Proxy

    return app._get_current_object() if isinstance(app, Proxy) else app


def _app_in(module: Any) -> str:
    """The path of the app that a module has after all; an example where it has none."""
    names = [name for name, value in vars(module).items() if _is_app(value)]
    return f"{module.__name__}:{names[0]}" if names else EXAMPLE


def fresh_app() -> Any:
    """An app for tests that name none; it does not become the current app of the process."""
    from celery import Celery

    return Celery("tests", set_as_current=False)


def _not_found(path: str, why: str, instead: str = EXAMPLE) -> AppNotFound:
    return AppNotFound(
        f"celery_backends_app = {path!r} leads to no Celery app",
        tried=[why],
        remedy=f"--celery-backends-app={instead}",
    )
