"""Where the plugin keeps its state: on the config for the run, on an item for one test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .evidence import Captured
    from .lease import Lease
    from .options import Options
    from .run import Run

#: The values in force, and the run, which is made when a test of ours is seen.
OPTIONS: Final[pytest.StashKey[Options]] = pytest.StashKey()
RUN: Final[pytest.StashKey[Run]] = pytest.StashKey()
LEASE: Final[pytest.StashKey[Lease]] = pytest.StashKey()
#: What really answers: "Valkey 9.1.2 (embedded)".
SERVER: Final[pytest.StashKey[str]] = pytest.StashKey()
#: What the app was while the test had it, and how the test failed, by phase.
CAPTURED: Final[pytest.StashKey[Captured]] = pytest.StashKey()
FAILURES: Final[pytest.StashKey[dict[str, str]]] = pytest.StashKey()
#: Celery settings of the test that every marker wins over.
UNDERNEATH: Final[pytest.StashKey[Mapping[str, Any]]] = pytest.StashKey()
#: Why the test counts as unsupported, or as unavailable.
UNSUPPORTED: Final[pytest.StashKey[str]] = pytest.StashKey()
UNAVAILABLE: Final[pytest.StashKey[str]] = pytest.StashKey()


def is_ours(item: pytest.Item) -> bool:
    """Whether a test runs on a backend."""
    return "_celery_backend" in getattr(item, "fixturenames", ())
