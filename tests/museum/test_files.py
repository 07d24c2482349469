"""Files: what was reported of them, each with what is expected, and where it still is not so."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult, GroupResult

differs = pytest.mark.differs
said = pytest.mark.said

#: Seconds for what takes milliseconds.
LIMIT = 5


@pytest.mark.backends("filesystem", "redis")
@said("filesystem")
@differs("filesystem", raises=FileNotFoundError, why="FileNotFoundError")
def test_celery_10678_what_is_not_there_cannot_be_forgotten(result_app: Celery) -> None:
    """celery#10678, which is open: ``forget()`` of a result that is gone already."""
    AsyncResult("never-stored", app=result_app).forget()


@pytest.mark.backends("filesystem", "redis")
@said("filesystem")
@differs("filesystem", raises=FileNotFoundError, why="FileNotFoundError")
def test_celery_10678_a_group_that_was_not_saved_cannot_be_deleted(result_app: Celery) -> None:
    """celery#10678, which is open: the same for a group."""
    GroupResult("never-saved", [], app=result_app).delete()


@pytest.mark.backends("filesystem", "sqlite")
@said("filesystem", fixed=(4, 4))
def test_celery_6108_a_backend_of_files_cannot_be_pickled(tasks: Any, result_app: Celery) -> None:
    """celery#6108, celery#6120: the copy of a backend looked for its files elsewhere."""
    result = tasks.add.delay(1, 1)
    assert result.get(timeout=LIMIT) == 2
    again = pickle.loads(pickle.dumps(result_app.backend))
    assert again.get_state(result.id) == "SUCCESS"
