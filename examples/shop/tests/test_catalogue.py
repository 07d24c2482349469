from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest

from pytest_celery_backends import ResultBackend
from shop.celery import app
from shop.checkout import imported, start_import
from shop.feeds import Row, feeds
from shop.tasks.catalogue import import_feed

pytestmark = pytest.mark.backends("redis", "postgres", "sqlite", "filesystem", "rpc-memory", "memory")

ROWS: list[Row] = [
    ("CUP", "6.00", 4),
    ("JUG", "9.00", 2),
    ("TIN", "3.00", 8),
    ("LID", "1.00", 9),
    ("BAG", "0.50", 50),
]


def test_an_import_reports_its_progress(result_backend: ResultBackend) -> None:
    feeds["Okura"] = ROWS
    result = import_feed.delay("Okura")
    assert result.get(timeout=5) == {"imported": 5}
    result_backend.assert_transitions(result, "STARTED", "PROGRESS", "PROGRESS", "SUCCESS")


@pytest.mark.backend_requires("custom_states")
def test_an_imports_progress_can_be_asked_for(result_backend: ResultBackend) -> None:
    go_on = Event()

    def slow_feed() -> Iterator[Row]:
        yield from ROWS[:2]
        assert go_on.wait(5), "the import was not let go on"
        yield from ROWS[2:]

    feeds["Okura"] = slow_feed()
    import_id = start_import("Okura")
    result_backend.wait_for(app.AsyncResult(import_id), "PROGRESS", timeout=5)
    assert imported(import_id) == 2
    go_on.set()
    result_backend.wait_for(app.AsyncResult(import_id), "SUCCESS", timeout=5)
    assert imported(import_id) == 5
