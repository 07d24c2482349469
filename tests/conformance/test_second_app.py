"""What another app of the kit makes, and leaves open."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery import states

from pytest_celery_backends import ResultBackend
from pytest_celery_backends.conformance.redis_settings import connection_of
from pytest_celery_backends.conformance.second_app import second_app


@pytest.mark.backends("redis")
def test_a_second_app_closes_the_connections_of_its_pool(result_backend: ResultBackend) -> None:
    with second_app(result_backend) as app:
        held = connection_of(app)
        app.backend.get_state("unknown")
        pool = app.backend.client.connection_pool
        (idle,) = pool._available_connections
        sockets = [held._sock, idle._sock]
        assert [each.fileno() > 0 for each in sockets] == [True, True]
    assert [each.fileno() for each in sockets] == [-1, -1]


@pytest.mark.backends("sqlite")
def test_a_second_app_makes_the_tables_of_a_second_database(
    result_backend: ResultBackend, tmp_path: Path
) -> None:
    for name in ("one", "other"):
        with second_app(result_backend, result_backend=f"db+sqlite:///{tmp_path}/{name}.db") as app:
            app.backend.store_result(name, name, states.SUCCESS)
            assert app.AsyncResult(name).get(timeout=5) == name
