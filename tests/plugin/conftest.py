"""Runs pytest on small projects, in a process of its own, as users do."""

from __future__ import annotations

import pytest
from running import RunTests

TASKS = """
from celery import shared_task

@shared_task
def add(x, y):
    return x + y

@shared_task
def boom():
    raise ValueError("boom")
"""


@pytest.fixture
def run_tests(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> RunTests:
    """Run ``pytest`` on a test module that has the tasks ``add`` and ``boom``, on embedded servers."""
    for name in ("CI", "PYTEST_CELERY_BACKENDS", "PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(tasks=TASKS)

    def run(source: str, *args: str, provider: str = "embedded") -> pytest.RunResult:
        pytester.makepyfile(test_it="import pytest\nfrom tasks import *\n" + source)
        return pytester.runpytest_subprocess(
            "-p", "no:cacheprovider", f"--celery-backends-provider={provider}", *args, timeout=60
        )

    return run
