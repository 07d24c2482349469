"""The hooks of a run that has checks of the conformance kit, registered when pytest first sees a class of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

import pytest

from .checks import check_of

#: Where the fixtures of checks are: they are found beside the kit, and where a class was imported by name.
FIXTURES: Final = "pytest_celery_backends.conformance.fixtures"

#: Checks are about backends: what an app has set for its own tasks is put back to Celery's defaults.
PLAIN: Final[Mapping[str, Any]] = {
    "accept_content": ["json"],
    "result_accept_content": None,
    "result_extended": False,
    "result_serializer": "json",
    "task_ignore_result": False,
    "task_serializer": "json",
    "task_store_errors_even_if_ignored": False,
    "task_track_started": False,
}


def register(config: pytest.Config) -> None:
    """Register these hooks and the kit's fixtures, once."""
    if not config.pluginmanager.has_plugin(FIXTURES):
        config.pluginmanager.import_plugin(FIXTURES)
        config.pluginmanager.register(sys.modules[__name__], "celery-backends-checks")


def pytest_itemcollected(item: pytest.Item) -> None:
    if check_of(getattr(item, "obj", None)) is not None:
        # the outermost marker: what a check sets for itself wins
        item.add_marker(pytest.mark.celery(**PLAIN), append=True)
