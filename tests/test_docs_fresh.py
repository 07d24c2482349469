"""The reference of backends says what the registry says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_celery_backends import Registry
from pytest_celery_backends.sources import External

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "reference" / "backends").glob("*.md"))


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


ANSWERS = """
import measured
report = {"backends": [{"name": "rpc", "server": "RabbitMQ 4 (container)"}], "tests": [
    {"test": "t.py::test_get_waits", "outcomes": {"rpc": {"cell": "CELL", "reason": "only once"}}},
    {"test": "t.py::test_all_else", "outcomes": {"rpc": {"cell": "passed", "reason": ""}}},
]}
found = {"5.7.0": {}, "5.10.0": measured.answers(report)}
print(measured.text(measured.PAGES["async-result"], found, "def test_get_waits(): 'get'"))
"""


def test_what_differs_is_a_line_with_what_is_there_instead() -> None:
    lines = asked(ANSWERS.replace("CELL", "xfailed")).splitlines()
    assert "| as documented | Celery 5.7.0 | Celery 5.10.0 |" in lines
    assert "| [rpc](backends/rpc.md) | not run | 1 of 2, RabbitMQ 4 (container) |" in lines
    assert "| get waits | only once | all |" in lines


def test_a_run_that_failed_says_nothing_about_reading_results() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        asked(ANSWERS.replace("CELL", "failed"))
    assert "t.py::test_get_waits failed on rpc: nothing is noted of this run" in str(caught.value.stderr)


def commands(page: Path, where: str) -> list[str]:
    """What a page gives to type, on the lines that begin in some way."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if re.match(where, line)]
    found = [command.replace("\\|", "|") for line in lines for command in re.findall("`([^`]+)`", line)]
    return [command for command in found if " " in command or command.startswith("--")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_shell_takes_the_commands_on_a_page_as_they_are_meant(page: Path) -> None:
    """No character has a meaning for it but the one between two commands."""
    found = commands(page, r"\| (install|look into)|- \*\*(external|local)")
    assert found
    for command in found:
        assert shlex.split(command)
        assert re.findall(r"[^\w\s@%+=:,./|-]", re.sub("'[^']*'", "", command)) == [], command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_option_on_a_page_gives_the_url_of_the_example(page: Path) -> None:
    sources = Registry().get(page.stem).sources
    examples = [source.example for source in sources if isinstance(source, External)]
    options = [shlex.split(option) for option in commands(page, r"- \*\*external")]
    assert options == [[f"--celery-backends-url={page.stem}={example}"] for example in examples]
