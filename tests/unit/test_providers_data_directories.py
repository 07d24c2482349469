"""Data directories that are made once: second starts copy them, and what is broken is made anew."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import pytest_celery_backends
from pytest_celery_backends.providers import data_directories, make_provider
from pytest_celery_backends.providers.data_directories import (
    VARIABLE,
    DataDirectory,
    cache_directory,
    data_directory,
)
from pytest_celery_backends.providers.installation import Choice
from pytest_celery_backends.providers.leftovers import NEW
from pytest_celery_backends.providers.run_directory import RunDirectory
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.spec import Namespace, ProbeContext, Provider, Service

#: What initdb and mariadb-install-db say.
MADE = {"postgres": "initdb", "mariadb": "Installing MariaDB/MySQL system tables"}
MADE_BY_INITDB = "The files belonging to this database system"


@pytest.fixture
def run() -> Iterator[RunDirectory]:
    run = RunDirectory()
    yield run
    run.close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test alone."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(params=["postgres:local", "postgres:embedded", "mariadb:local"])
def server(request: pytest.FixtureRequest, run: RunDirectory) -> Any:
    """Starts and stops a server, and says whether its data directory was made or copied."""
    return _server(request.param, run)


@pytest.fixture
def postgres(run: RunDirectory) -> Any:
    return _server("postgres:embedded", run)


class Server:
    """A backend on one kind of provider."""

    def __init__(self, name: str, provider: Provider) -> None:
        self.name, self.provider = name, provider
        self.spec = Registry().get(name)

    def start(self) -> Service:
        return self.provider.start(self.spec, "", 30)

    def made_data(self) -> bool:
        """Start one, stop it, and say whether it made its data directory."""
        service = self.start()
        said = self.provider.logs(service)
        self.provider.stop(service)
        return MADE_BY_INITDB in said or MADE["mariadb"] in said


def _server(text: str, run: RunDirectory) -> Server:
    name, kind = text.split(":")
    server = Server(name, make_provider(kind, run, {}, False))  # type: ignore[arg-type]
    found = server.provider.check(server.spec, "")
    if not found.works:
        pytest.fail(found.reason) if "CI" in os.environ else pytest.skip(found.reason)
    return server


def entries(cache: Path) -> list[Path]:
    return sorted(cache.iterdir()) if cache.exists() else []


def a_file(entry: Path) -> Path:
    """The largest file of a data directory: its log or its tables."""
    return max(
        (path for path in (entry / "data").rglob("*") if path.is_file()), key=lambda p: p.stat().st_size
    )


def test_a_data_directory_is_made_once(server: Server, cache: Path) -> None:
    assert [server.made_data() for _ in range(3)] == [True, False, False]
    assert len(entries(cache)) == 1


def test_each_start_has_a_password_of_its_own(server: Server, cache: Path) -> None:
    server.made_data()
    first, second = server.start(), server.start()
    assert urlsplit(first.url).password != urlsplit(second.url).password
    other = urlsplit(second.url)
    wrong = first.url.replace(str(urlsplit(first.url).port), str(other.port))
    with pytest.raises(Exception, match=r"(?i)password authentication failed|access denied"):
        server.spec.identify(wrong, 5)
    kept = b"".join(
        path.read_bytes() for path in cache.rglob("*") if path.is_file() and path.stat().st_size < 10**6
    )
    for service in (first, second):
        assert str(urlsplit(service.url).password).encode() not in kept
        server.provider.stop(service)


def test_what_a_server_writes_does_not_come_to_the_next(server: Server, cache: Path) -> None:
    server.made_data()
    for _ in range(2):
        service = server.start()
        context = ProbeContext(
            service=service, namespace=Namespace(name="pcb_1"), decode=lambda raw: {}, lifetime=None
        )
        probe: Any = server.spec.probe(context)
        probe.create()
        probe.client.cursor().execute("CREATE TABLE mine (id int)")  # fails where it is there already
        server.provider.stop(service)


def test_the_cache_is_for_its_user_alone(postgres: Server, cache: Path) -> None:
    postgres.made_data()
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


@pytest.mark.parametrize("harm", ["removed", "truncated", "overwritten", "unfinished"])
def test_a_broken_copy_is_made_anew(harm: str, postgres: Server, cache: Path) -> None:
    postgres.made_data()
    (entry,) = entries(cache)
    victim = a_file(entry)
    if harm == "removed":
        victim.unlink()
    elif harm == "truncated":
        os.truncate(victim, 10)
    elif harm == "overwritten":
        victim.write_bytes(b"\xff" * victim.stat().st_size)
    else:
        (entry / "manifest").unlink()
    assert [postgres.made_data() for _ in range(2)] == [True, False]
    assert len(entries(cache)) == 1


def test_what_looks_sound_and_does_not_start_is_made_anew(postgres: Server, cache: Path) -> None:
    postgres.made_data()
    (entry,) = entries(cache)
    control = entry / "data" / "global" / "pg_control"
    control.write_bytes(b"\xff" * control.stat().st_size)
    (entry / "manifest").write_text(data_directories.manifest(entry / "data"), encoding="ascii")
    assert [postgres.made_data() for _ in range(2)] == [True, False]


def test_servers_that_start_at_once_share_one_copy(cache: Path, run: RunDirectory) -> None:
    servers, made = [_server("postgres:embedded", run) for _ in range(4)], list[bool]()
    threads = [threading.Thread(target=lambda one=one: made.append(one.made_data())) for one in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 4
    assert len(entries(cache)) == 1
    assert servers[0].made_data() is False


def test_a_copy_is_given_up_where_the_original_goes_meanwhile(
    postgres: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.made_data()
    (entry,) = entries(cache)
    copied = data_directories._copied

    def copied_then_gone(source: Path, target: Path) -> bool:
        done = copied(source, target)
        DataDirectory(path=entry).discard()
        return done

    monkeypatch.setattr(data_directories, "_copied", copied_then_gone)
    assert DataDirectory(path=entry).copy_to(tmp_path / "copy") is False
    assert not (tmp_path / "copy").exists()


def test_what_a_killed_run_left_unfinished_goes_after_a_while(postgres: Server, cache: Path) -> None:
    cache.mkdir(mode=0o700)
    for name, age in ((f"{NEW}old", 7200), (f"{NEW}fresh", 60), ("unused", 60 * 24 * 3600)):
        (cache / name).mkdir()
        then = (cache / name).stat().st_mtime - age
        os.utime(cache / name, (then, then))
    postgres.made_data()
    assert [path.name for path in entries(cache) if len(path.name) < 20] == [f"{NEW}fresh"]


def test_nothing_is_cached_where_that_is_switched_off(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    assert [postgres.made_data() for _ in range(2)] == [True, True]


def test_a_home_that_cannot_be_written_is_no_reason_to_fail(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "cache"))
    assert [postgres.made_data() for _ in range(2)] == [True, True]


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_cache_that_others_can_enter_is_not_used(mode: int, postgres: Server, cache: Path) -> None:
    cache.mkdir()
    cache.chmod(mode)
    assert [postgres.made_data() for _ in range(2)] == [True, True]
    assert entries(cache) == []


def test_another_binary_has_another_directory(postgres: Server, cache: Path) -> None:
    choice: Choice = postgres.provider._choose(postgres.spec, "")  # type: ignore[attr-defined]
    assert choice.installation is not None
    identity = choice.availability.identity
    same = [data_directory(choice.installation, identity, {}) for _ in range(2)]
    assert same[0] == same[1]
    program = replace(choice.installation.program, prepare=lambda place: [["initdb", "--other"]])
    assert data_directory(replace(choice.installation, program=program), identity, {}) != same[0]
    assert data_directory(choice.installation, None, {}) != same[0]
    assert data_directory(choice.installation, identity, {"user": 65534}) != same[0]


def test_the_cache_lies_where_the_user_keeps_caches() -> None:
    assert cache_directory({"XDG_CACHE_HOME": "/x"}) == Path("/x/pytest-celery-backends")
    assert cache_directory({"XDG_CACHE_HOME": "relative"}) is None


SCRIPT = """
from pytest_celery_backends.providers import make_provider
from pytest_celery_backends.providers.leftovers import NEW
from pytest_celery_backends.providers.run_directory import RunDirectory
from pytest_celery_backends.registry import Registry
run = RunDirectory()
for name, kind in (("postgres", "local"), ("mariadb", "local")):
    provider, spec = make_provider(kind, run, {}, False), Registry().get(name)
    for _ in range(2 if provider.check(spec, "").works else 0):
        said = provider.logs(provider.start(spec, "", 60))
        print(name, "The files belonging" in said or "Installing MariaDB" in said)
run.close()
"""


NOBODY: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []}


def python_of_nobody() -> str:
    """An interpreter like ours that an ordinary user can run: ours may lie in root's home."""
    question = f"import sys, os; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            asked = subprocess.run([python, "-c", question], cwd="/", timeout=30, check=False, **NOBODY)
        except OSError:
            continue
        if not asked.returncode:
            return python
    pytest.skip("an ordinary user can run no such Python here")


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests are run by an ordinary user")
def test_an_ordinary_user_has_a_cache_too() -> None:
    python, home = python_of_nobody(), tempfile.mkdtemp(prefix="pcb-home-")
    paths = [str(Path(pytest_celery_backends.__file__).parents[1]), *sys.path]
    try:
        os.chown(home, 65534, 65534)
        done = subprocess.run(
            [python, "-c", SCRIPT],
            cwd=home,
            env={
                "HOME": home,
                "TMPDIR": home,
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(paths),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **NOBODY,
        )
        # tox keeps its environments to the user who made them
        if re.search(r"No module named|No package metadata was found for", done.stderr):
            pytest.skip("an ordinary user cannot read these packages")
        assert done.stderr == ""
        told = done.stdout.splitlines()
        names = list(dict.fromkeys(line.split()[0] for line in told))
        assert told == [f"{name} {made}" for name in names for made in (True, False)]
        kept = Path(home, ".cache", "pytest-celery-backends")
        assert len(list(kept.iterdir()) if kept.exists() else []) == len(names)
    finally:
        shutil.rmtree(home)
