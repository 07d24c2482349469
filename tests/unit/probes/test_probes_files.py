"""Files: what lies in the directory, and what happens while Celery writes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from pytest_celery_backends.probes import files
from pytest_celery_backends.probes.files import identify
from pytest_celery_backends.spec import Refused


@pytest.fixture
def store(open_store: Any) -> Any:
    return open_store("filesystem", result_expires=3600)


def test_a_file_of_somebody_else_is_listed_as_other(store: Any) -> None:
    (store.probe.client / ".fs-backend-x").write_text("trial")
    assert [(found.kind, found.key) for found in store.probe.stored()] == [("other", ".fs-backend-x")]


def test_a_file_that_is_being_written_is_read_when_it_is_whole(store: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(files, "WRITE_LIMIT", 5.0)
    task_id = store.keep()
    path: Path = store.probe.client / f"celery-task-meta-{task_id}"
    whole = path.read_bytes()
    path.write_bytes(b"")
    writer = threading.Timer(0.02, path.write_bytes, [whole])
    writer.start()
    assert store.probe.held(task_id).raw == whole
    writer.join()


def test_a_file_that_stays_empty_is_told_as_unreadable(store: Any) -> None:
    (store.probe.client / "celery-task-meta-t1").touch()
    assert [found.state.partition(":")[0] for found in store.probe.stored()] == ["unreadable"]


def test_a_directory_goes_with_all_that_is_in_it(store: Any) -> None:
    store.keep()
    store.probe.drop()
    assert not store.probe.client.exists()


def test_a_lifetime_of_zero_means_never(open_store: Any) -> None:
    store = open_store("filesystem", result_expires=0)
    store.keep()
    assert [found.expires_in for found in store.probe.stored()] == [None]


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no file can be made"):
        identify(f"file://{tmp_path}/missing", 1)
