"""What the tests of all backends share."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from celery import Celery


@pytest.fixture(scope="session")
def celery_backends_app() -> Celery:
    """An app whose production servers do not exist."""
    app = Celery(
        "orders",
        broker="redis://:secret@broker.invalid:6379/0",
        backend="db+postgresql+psycopg2://orders:secret@db.invalid/orders",
        set_as_current=False,
    )

    @app.task(shared=False)
    def add(x: int, y: int) -> int:
        return x + y

    @app.task(shared=False)
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @app.task(shared=False)
    def refuse(message: str) -> None:
        raise ValueError(message)

    @app.task(shared=False, bind=True)
    def progress(self: Any) -> str:
        self.update_state(state="PROGRESS", meta={"done": 1})
        self.update_state(state="PROGRESS", meta={"done": 2})
        return "done"

    return app


@pytest.fixture
def tasks(result_app: Celery) -> Any:
    """The app's tasks, by name."""

    class Tasks:
        def __getattr__(self, name: str) -> Any:
            return next(task for full, task in result_app.tasks.items() if full.endswith(f".{name}"))

    return Tasks()


@pytest.fixture
def collecting_while_sending() -> Iterator[None]:
    """Let ``AsyncResult.__del__`` run at the worst moment: while a command is sent to Redis."""

    def collect(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_name == "send_command":
            gc.collect()

    gc.disable()
    sys.setprofile(collect)
    yield
    sys.setprofile(None)
    gc.enable()
