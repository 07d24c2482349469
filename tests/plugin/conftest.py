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
    """Run ``pytest`` on a test module that has the tasks ``add`` and ``boom``, on embedded servers.

    With no plugin but ours, as most of a short run's time would go into loading the others; with all that are
    installed where ``autoload`` says so.
    """
    for name in ("CI", "PYTEST_CELERY_BACKENDS", "PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(tasks=TASKS)

    def run(source: str, *args: str, provider: str = "embedded", autoload: bool = False) -> pytest.RunResult:
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "" if autoload else "1")
        plugins = () if autoload else ("-p", "celery_backends")
        pytester.makepyfile(test_it="import pytest\nfrom tasks import *\n" + source)
        return pytester.runpytest_subprocess(
            *plugins, "-p", "no:cacheprovider", f"--celery-backends-provider={provider}", *args, timeout=60
        )

    return run
