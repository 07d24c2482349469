"""The other backends of a run, for a test that looks at several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from .selection import Choice, parse

if TYPE_CHECKING:
    from .lease import Lease
    from .run import Run
    from .spec import BackendSpec


class RunNeighbours:
    """Leases of a test's app on other backends.

    Arguments:
        settings_on: the Celery settings that the test would have on a backend.
    """

    def __init__(self, run: Run, app: Any, settings_on: Callable[[Choice], Mapping[str, Any]]) -> None:
        self._run = run
        self._app = app
        self._settings_on = settings_on

    def spec(self, name: str) -> BackendSpec:
        """What is known of a backend; raises UnknownBackend."""
        return self._run.spec(parse(name, self._run.registry))

    def lease(self, name: str, settings: Mapping[str, Any]) -> AbstractContextManager[Lease]:
        """The test's app on a backend, with these settings on top of what the test has there."""
        choice = parse(name, self._run.registry)
        return self._run.lease(choice, self._app, {**self._settings_on(choice), **settings})

    def skips_unavailable(self, name: str) -> bool:
        """Whether the options say that a backend which cannot be had is no failure."""
        return self._run.options.skips_unavailable(name.partition(":")[0])
