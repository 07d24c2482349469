"""Several versions of one backend in one run."""

from __future__ import annotations

import re

import pytest
from running import RunTests

from pytest_celery_backends.options import resolve
from pytest_celery_backends.provider_kinds import ProviderKind
from pytest_celery_backends.run import Run
from pytest_celery_backends.selection import Choice

TESTS = """
@pytest.mark.backends({})
def test_version(result_backend, result_service):
    print("RAN ON", result_backend.version, result_service.provider)
    assert add.delay(2, 2).get(timeout=5) == 4
"""


def installed(backend: str, provider: ProviderKind) -> str:
    """The version that a provider would start here; skips where it would start none."""
    run = Run(resolve({"celery_backends_provider": [provider]}, {}, {}), lambda registry: None)
    try:
        plan = run.plan(Choice(name=backend))
    finally:
        run.close()
    if plan.error:
        pytest.skip(plan.error.cause)
    assert plan.identity is not None, "binaries tell their version"
    return plan.identity.version


def test_two_versions_of_one_backend_run_side_by_side(
    run_tests: RunTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = [installed("postgres", "local"), installed("postgres", "embedded")]
    if versions[0] == versions[1]:
        pytest.skip(f"there is only PostgreSQL {versions[0]} here")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")  # where no engine is: images would be pulled
    names = ", ".join(f'"postgres:{version}"' for version in versions)
    result = run_tests(TESTS.format(names), "-s", "--celery-backends-unavailable=fail", provider="auto")
    result.assert_outcomes(passed=2)
    ran_on = re.findall(r"RAN ON ([\d.]+) (\w+)", result.stdout.str())
    assert ran_on == [(versions[0], "local"), (versions[1], "embedded")]
