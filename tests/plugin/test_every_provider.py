"""The main job on each provider that works here."""

from __future__ import annotations

import pytest
from running import RunTests

from pytest_celery_backends.options import resolve
from pytest_celery_backends.run import Run
from pytest_celery_backends.selection import Choice

TESTS = """
pytestmark = [pytest.mark.backends("{backend}"), pytest.mark.celery(result_expires=60)]

def test_where(result_service):
    print("RAN ON", result_service.product, result_service.version, result_service.provider)

def test_result(result_backend):
    result = add.delay(2, 2)
    result_backend.assert_transitions(result, "SUCCESS")
    result_backend.assert_expires(result, after=60)
    assert result.get(timeout=10) == 4
    result.forget()
    result_backend.assert_forgotten(result)

def test_logs(result_service):
    assert result_service.logs
"""


def why_not(backend: str, provider: str) -> str:
    """Why the provider cannot give the backend on this machine; empty where it can."""
    run = Run(resolve({"celery_backends_provider": [provider]}, {}, {}), lambda registry: None)
    try:
        error = run.plan(Choice(name=backend)).error
        return str(error) if error else ""
    finally:
        run.close()


@pytest.mark.parametrize("backend", ["redis", "postgres"])
@pytest.mark.parametrize("provider", ["container", "local", "embedded"])
def test_runs_on(backend: str, provider: str, run_tests: RunTests) -> None:
    if reason := why_not(backend, provider):
        pytest.skip(reason)
    result = run_tests(TESTS.format(backend=backend), "-s", provider=provider)
    result.assert_outcomes(passed=3)
    product = {"redis": ("Redis ", "Valkey "), "postgres": ("PostgreSQL ",)}[backend]
    (line,) = [line for line in result.outlines if "RAN ON" in line]
    assert line.partition("RAN ON ")[2].startswith(product)
    assert line.endswith(f" {provider}")
