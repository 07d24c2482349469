"""``--celery-backends-list``: what it says, how wide it is, and that nothing is started for it."""

from __future__ import annotations

import os
import pty
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Lines = Callable[..., list[str]]

#: Nobody listens there, so that the list is the same with and without Docker.
NO_ENGINE = "unix:///nowhere/docker.sock"

#: Writes down what is started and which directories are made.
WATCHES = """
import sys

def note(event, arguments):
    if event in ("subprocess.Popen", "os.mkdir"):
        what = arguments[1][1:] if event == "subprocess.Popen" else arguments[0]
        sys.stderr.write(f"SEEN {event} {what}\\n")  # in one piece: threads start programs too

sys.addaudithook(note)
"""

#: After these a program ends: it tells its version, or, as it has no certificate, whether it was built with TLS.
ASKS = re.compile(r"-version|-V|'--tls-port', '1'")

ADDS = """
from dataclasses import replace
from pytest_celery_backends.sources import Container, External, Local
from pytest_celery_backends.spec import Driver

def pytest_celery_backends_register(registry):
    registry.register(replace(registry.get("sqlite"), name="untried", not_verified="its server is not to be had"))
    bare = replace(registry.get("redis"), drivers=(), limits={})
    registry.register(replace(bare, name="driverless", drivers=(Driver(module="acme_driver", distribution="acme"),),
                              extra=""))
    program = replace(bare.source("local").program, binaries=("acme-server",))
    registry.register(replace(bare, name="serverless", scheme="acme", sources=(
        Local(program=program, package="acme-server"),)))
"""


def _environment(**changes: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    kept.pop("CI", None)
    return {
        **kept,
        "DOCKER_HOST": NO_ENGINE,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        **changes,
    }


def _command(*args: str) -> list[str]:
    own = ("-p", "no:cacheprovider", "-p", "celery_backends", "--celery-backends-list")
    return [sys.executable, "-m", "pytest", *own, *args]


@pytest.fixture
def listed(tmp_path: Path) -> Lines:
    """The lines of the list, from a process of its own; exit status 0 and nothing on standard error."""

    def run(*args: str, conftest: str = "", **environment: str) -> list[str]:
        (tmp_path / "conftest.py").write_text(conftest)
        (tmp_path / "test_it.py").write_text("def test_one():\n    assert 0\n")
        ran = subprocess.run(
            _command(*args),
            cwd=tmp_path,
            env=_environment(**environment),
            capture_output=True,
            text=True,
            timeout=60,
        )
        seen = [line for line in ran.stderr.splitlines() if not line.startswith("SEEN ")]
        assert (ran.returncode, seen) == (0, []), ran.stderr
        return [*ran.stdout.splitlines(), *[line for line in ran.stderr.splitlines() if line not in seen]]

    return run


def _row(lines: list[str], name: str) -> str:
    (row,) = [line for line in lines if line.startswith(f"  {name} ")]
    return row


def _group(lines: list[str], name: str) -> str:
    """The title above a backend's row."""
    titles = [line for line in lines[: lines.index(_row(lines, name))] if line[:1].isdigit()]
    return titles[-1]


def test_what_works_here_stands_first_with_celerys_name_server_and_limits(listed: Lines) -> None:
    lines = listed("--celery-backends-provider=embedded")
    assert re.fullmatch(r"\d+ work here", lines[0])
    assert re.fullmatch(
        r"  memory +cache\+memory:// +Celery memory cache \S+ \(embedded\)  "
        r"without: any_reader, compression, expiry, persistence",
        _row(lines, "memory"),
    )
    assert re.match(r"  redis +redis:// +(Valkey|Redis) \S+ \(embedded\)", _row(lines, "redis"))
    assert not re.search("test_one|collected|passed|failed", "".join(lines))


def test_what_is_missing_is_said_with_the_one_command_that_brings_it(listed: Lines) -> None:
    lines = listed(conftest=ADDS)
    assert re.fullmatch(
        r"  driverless +redis:// +driverless needs the Python module 'acme_driver', which is not installed"
        r"  type: pip install acme",
        _row(lines, "driverless"),
    )
    assert re.fullmatch(
        r"  serverless +acme:// +local: there is no acme-server in PATH  type: apt-get install acme-server",
        _row(lines, "serverless"),
    )
    assert re.fullmatch(r"\d+ miss something", _group(lines, "driverless"))
    assert _group(lines, "driverless") == _group(lines, "serverless")


def test_what_no_test_of_ours_ever_ran_on_stands_apart_with_the_reason(listed: Lines) -> None:
    lines = listed(conftest=ADDS)
    assert re.fullmatch(r"\d+ not verified: no test of ours ever ran on \w+", _group(lines, "untried"))
    assert "not verified: its server is not to be had" in _row(lines, "untried")


def test_what_cannot_be_had_is_named_with_the_reason(listed: Lines) -> None:
    lines = listed()
    at = lines.index("3 cannot be had at all")
    assert [line.split()[0] for line in lines[at + 1 :]] == ["disabled", "redis-cluster", "riak"]
    assert lines[-1] == "  riak           Celery still has the name, and no module for it any more"


def test_a_url_shows_as_external_without_its_password(listed: Lines) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and not listening: nothing answers there
        port = taken.getsockname()[1]
        lines = listed(f"--celery-backends-url=postgres=postgresql://me:s3cret@127.0.0.1:{port}/db")
    row = _row(lines, "postgres")
    assert re.search(rf"external: no.* answer.* at postgresql://me:\*\*\*@127.0.0.1:{port}/db", row)
    assert "  type: " in row
    assert "s3cret" not in "".join(lines)


def test_backends_that_are_asked_for_are_the_only_rows_and_a_version_shows_what_is_here(
    listed: Lines,
) -> None:
    lines = listed("--celery-backends=redis:0.1,memory", "--celery-backends-provider=embedded")
    assert [line for line in lines if line and not line.startswith("  ")] == [
        "1 works here",
        "1 misses something",
    ]
    assert re.search(
        r"embedded: the wheel \w+ is (Valkey|Redis) [\d.]+, not Redis 0.1"
        r"  type: --celery-backends-provider=redis=container",
        _row(lines, "redis:0.1"),
    )


def test_a_package_that_cannot_be_loaded_does_not_hide_the_others(listed: Lines, tmp_path: Path) -> None:
    dist = tmp_path / "celery_acme-1.0.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: celery-acme\nVersion: 1.0\n")
    (dist / "entry_points.txt").write_text("[pytest_celery_backends]\nacme = celery_acme:ACME\n")
    lines = listed(PYTHONPATH=str(tmp_path))
    assert "ModuleNotFoundError: No module named 'celery_acme'" in _row(lines, "acme")
    assert _row(lines, "memory")


def test_a_name_that_no_backend_has_is_an_error(tmp_path: Path) -> None:
    ran = subprocess.run(
        _command("--celery-backends=redsi"),
        cwd=tmp_path,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: no backend is called 'redsi': did you mean 'redis'?" in ran.stderr


def test_nothing_is_started_and_no_directory_of_a_run_is_made(listed: Lines) -> None:
    seen = [line for line in listed(conftest=WATCHES) if line.startswith("SEEN ")]
    started = [line for line in seen if "subprocess.Popen" in line]
    assert [line for line in started if not ASKS.search(line)] == []
    assert [line for line in seen if "os.mkdir" in line and "pytest-celery-backends" in line] == []


def test_an_engine_that_never_answers_costs_its_time_once_and_nothing_else(listed: Lines) -> None:
    pytest.importorskip("testcontainers")
    with socket.socket() as engine:
        engine.bind(("127.0.0.1", 0))
        engine.listen()  # connections are taken, and that is all
        host = f"tcp://127.0.0.1:{engine.getsockname()[1]}"
        lines = listed("--celery-backends-provider=container,postgres=auto", DOCKER_HOST=host)
        engine.settimeout(0)
        asked = 0
        while True:
            try:
                engine.accept()[0].close()
            except BlockingIOError:
                break
            asked += 1
    unanswered = [
        line for line in lines if "container: no answer within 1.2 seconds  type: docker info" in line
    ]
    assert len(unanswered) >= 2
    row = _row(lines, "postgres")
    assert re.search(r"\((local|embedded)\) unless container answers: not within 1.2 seconds", row) or (
        "container: no answer within 1.2 seconds" in row
    )
    assert asked <= 1  # none where the machine is too slow to ask within the limit


@pytest.mark.parametrize("columns", [60, 100])
def test_on_a_terminal_no_line_is_wider_than_it(columns: int, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(ADDS)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        _command(),
        cwd=tmp_path,
        env=_environment(COLUMNS=str(columns)),
        stdout=theirs,
        stdin=subprocess.DEVNULL,
    ) as running:
        os.close(theirs)
        said = b""
        while True:
            try:
                said += os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
        assert running.wait(timeout=60) == 0
    os.close(ours)
    lines = said.decode().splitlines()
    assert max(map(len, lines)) <= columns
    assert any(line.lstrip() == "type: pip install acme" for line in lines), said.decode()
