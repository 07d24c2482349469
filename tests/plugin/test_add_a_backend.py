"""The page about a backend of one's own: its example is copied out of it and run, both ways."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-backend.md"

Run = Callable[..., list[str]]


def example() -> dict[str, str]:
    """The files of the example, by name: each block begins with its file's."""
    blocks = re.findall(r"^```python\n# (\S+)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return dict(blocks)


def entry_point() -> str:
    """The lines that a package declares it with."""
    (block,) = re.findall(
        r"^```toml\n\[project\.entry-points\.(\S+)\]\n(\w+) = \"(\S+)\"", PAGE.read_text(), re.M
    )
    return "[{}]\n{} = {}\n".format(*block)


@pytest.fixture(params=["conftest", "entry point"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Run pytest on the example in a process of its own, with status 0; gives the lines."""
    files = example()
    site = tmp_path / "site"
    site.mkdir()
    if request.param == "entry point":
        del files["conftest.py"]
        dist = site / "table-1.0.dist-info"
        dist.mkdir()
        (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: table\nVersion: 1.0\n")
        (dist / "entry_points.txt").write_text(entry_point())
    for name, source in files.items():
        place = tmp_path if name.startswith(("test_", "conftest")) else site
        (place / name).write_text(source)

    def run(*args: str) -> list[str]:
        clean = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
        clean.pop("CI", None)
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "celery_backends", *args],
            cwd=tmp_path,
            env={**clean, "PYTHONPATH": str(site), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "120"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout.splitlines()

    return run


def test_the_description_of_a_backend_takes_forty_lines() -> None:
    written = [line for line in example()["table_testing.py"].splitlines() if line.strip()]
    assert len(written) <= 40


@pytest.mark.parametrize("processes", ["0", "2"])
def test_the_example_runs_on_the_new_backend_and_beside_another(run: Run, processes: str) -> None:
    if processes != "0":
        pytest.importorskip("xdist")
    distributed = ["-p", "xdist", f"-n{processes}"] if processes != "0" else []
    lines = run("-v", *distributed)
    assert re.search(r"4 passed, 2 unsupported in", lines[-1])
    assert any(re.match(r"table +1 unsupported, 2 passed +Table \S+ \(embedded\)", line) for line in lines)
    assert "unsupported: table, 1 test: only forget() removes a row" in lines


def test_it_is_selected_and_listed_like_all_others(run: Run) -> None:
    lines = run("--celery-backends=table", "-v")
    assert "2 passed, 3 deselected, 1 unsupported in" in lines[-1]
    listed = run("--celery-backends-list", "--celery-backends=table")
    assert listed[0] == "1 works here"
    assert re.fullmatch(
        r"  table  table:TableBackend\+sqlite://  Table \S+ \(embedded\)  without: expiry", listed[1]
    )
