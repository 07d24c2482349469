"""The tests of all backends, on each provider that works here; not collected unless it is named.

pytest tests/backends/every_provider.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from pytest_celery_backends import Registry
from pytest_celery_backends.options import resolve
from pytest_celery_backends.run import Run
from pytest_celery_backends.selection import Choice

TESTS: Final = Path(__file__).with_name("test_every_backend.py")
ROOT: Final = TESTS.parents[2]
#: Seconds for one backend: a server's start, and some twenty tests.
LIMIT: Final = 180
PAIRS: Final = [
    (name, source.kind)
    for name in Registry().names
    for source in Registry().get(name).sources
    if source.kind != "external" and not Registry().get(name).not_verified
]


def why_not(backend: str, provider: str) -> str:
    """Why the provider cannot give the backend on this machine; empty where it can."""
    run = Run(resolve({"celery_backends_provider": [provider]}, {}, {}), lambda registry: None)
    try:
        error = run.plan(Choice(name=backend)).error
        return str(error) if error else ""
    finally:
        run.close()


@pytest.mark.parametrize(("backend", "provider"), PAIRS)
def test_all_tests_pass(backend: str, provider: str) -> None:
    if reason := why_not(backend, provider):
        pytest.skip(reason)
    options = [f"--celery-backends={backend}", f"--celery-backends-provider={backend}={provider}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(TESTS), *options, "-p", "no:cacheprovider", "-rfE"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert f"({provider})" in done.stdout
    print(done.stdout.splitlines()[-1])
