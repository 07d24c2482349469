"""What the tests of all backends share."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from celery import Celery, group
from differences import MARK, expect
from known_tasks import Tasks

from pytest_celery_backends import ResultBackend


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARK)


@pytest.fixture(autouse=True)
def known_differences(request: pytest.FixtureRequest, result_backend: ResultBackend) -> None:
    """Expect a test to fail where a backend is known to answer otherwise, and to say so once it does not."""
    expect(request, result_backend.name)


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
    def echo(value: Any) -> Any:
        return value

    @app.task(shared=False)
    def power(number: int) -> int:
        return number**2

    @app.task(shared=False, trail=True)
    def square(number: int) -> Any:
        return power.delay(number)

    @app.task(shared=False, trail=True)
    def branch(many: int) -> Any:
        return group(square.s(number) for number in range(many))()

    @app.task(shared=False)
    def fetch(task_id: str, disable_sync_subtasks: bool) -> Any:
        return app.AsyncResult(task_id).get(timeout=1, disable_sync_subtasks=disable_sync_subtasks)

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
    return Tasks(result_app, __name__)


@pytest.fixture
def collecting_while_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``AsyncResult.__del__`` run at the worst moment: while a command is sent to Redis."""
    from redis.connection import AbstractConnection

    send: Any = AbstractConnection.send_command

    def send_after_collecting(connection: Any, *args: Any, **kwargs: Any) -> Any:
        gc.collect()
        return send(connection, *args, **kwargs)

    monkeypatch.setattr(AbstractConnection, "send_command", send_after_collecting)
