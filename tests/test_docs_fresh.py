"""The reference of backends says what the registry says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_pages_of_the_backends_are_what_would_be_written_now() -> None:
    """Where this fails: ``python docs/generate.py``."""
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def asked(script: str) -> str:
    """What a script says that has the generator: it changes what this process knows of Celery's release."""
    program = f"import sys; sys.path.insert(0, 'docs')\nimport generate\n{script}"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


RUNS = """
run = {"provider": "local", "celery": "5.7.0", "unsupported": 0}
runs = [
    {**run, "server": "Redis 1", "passed": 21, "failed": 0},
    {**run, "server": "Redis 2", "passed": 20, "failed": 1},
    {**run, "server": "Redis 3", "passed": 0, "failed": 0},
]
specs = [spec for spec in generate.built_in_specs() if spec.name == "redis"]
print(generate.pages(specs, {"redis": runs})[generate.REFERENCE / "backends.md"])
"""


def test_a_backend_is_verified_on_no_server_where_tests_failed() -> None:
    (line,) = [line for line in asked(RUNS).splitlines() if line.startswith("| [redis]")]
    assert line.split(" | ")[-1] == "Redis 1 (local) |"
