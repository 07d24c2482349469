"""The tasks of an app as attributes."""

from __future__ import annotations

from typing import Any

from celery import Celery


class Tasks:
    """Those that one module has given to an app, by the names that it gave them."""

    def __init__(self, app: Celery, module: str) -> None:
        self._app = app
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return self._app.tasks[f"{self._module}.{name}"]
