"""What the pieces of the museum share: an application with a few tasks, and the mark of where each still fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from celery import Celery
from differences import MARK, expect
from known_tasks import Tasks

from pytest_celery_backends import ResultBackend


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARK)
    config.addinivalue_line(
        "markers", "said(*backends, since, fixed): what a report or a changelog says, to be compared"
    )


@pytest.fixture(autouse=True)
def known_differences(request: pytest.FixtureRequest, result_backend: ResultBackend) -> None:
    """Expect a piece to fail where it still does, and to say so once it does not."""
    expect(request, result_backend.name)


@pytest.fixture(scope="session")
def celery_backends_settings() -> Mapping[str, Any]:
    """A chord that is polled for is looked at soon."""
    return {"result_chord_retry_interval": 0.05}


@pytest.fixture(scope="session")
def celery_backends_app() -> Celery:
    """An app whose production servers do not exist."""
    app = Celery("museum", broker="redis://broker.invalid:6379/0", set_as_current=False)

    @app.task(shared=False)
    def add(x: int, y: int) -> int:
        return x + y

    @app.task(shared=False)
    def echo(value: Any) -> Any:
        return value

    @app.task(shared=False)
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @app.task(shared=False)
    def refuse(message: str) -> None:
        raise ValueError(message)

    @app.task(shared=False, bind=True, trail=True)
    def calls(self: Any, number: int) -> str:
        return str(echo.delay(number).id)

    return app


@pytest.fixture
def tasks(result_app: Celery) -> Any:
    """The app's tasks, by name."""
    return Tasks(result_app, __name__)
