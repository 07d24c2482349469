"""Hooks that a conftest or another plugin may implement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .registry import Registry


@pytest.hookspec
def pytest_celery_backends_register(registry: Registry) -> None:
    """Add backends: ``registry.register(BackendSpec(...))``. Called once, before collection uses names.

    A backend of the same name is replaced; ``registry.get(name)`` gives the others. What a spec has to say is
    shown in ``docs/how-to/add-a-backend.md``.
    """


@pytest.hookspec
def pytest_celery_backends_settings(settings: dict[str, Any], backend: str) -> None:
    """Change the Celery settings of every test on a backend, in place. Called once per test.

    What chooses servers, as ``result_backend`` and ``broker_url`` do, is refused.

    Arguments:
        settings: what ``celery_backends_settings`` and the ``celery`` marker give, by Celery's new names.
        backend: the backend's name, without a pinned version.
    """
