"""Servers in containers, on the engine that is here; without one, only what is said about that."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pytest_celery_backends.errors import StartFailed
from pytest_celery_backends.polling import wait_until
from pytest_celery_backends.providers.container import ContainerProvider
from pytest_celery_backends.providers.engine import (
    LABEL,
    connected,
    environment_restored,
    origin,
    reached_at,
    start_reaper,
)
from pytest_celery_backends.providers.run_directory import RunDirectory
from pytest_celery_backends.sources import Container, Identity, Place
from pytest_celery_backends.spec import BackendSpec, NotReady, Refused, Service


def identify_redis(url: str, limit: float) -> Identity:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname, parts.port or 6379), limit) as link:
            link.settimeout(limit)
            link.sendall(f"AUTH {parts.password}\r\nINFO server\r\nQUIT\r\n".encode())
            answer = b"".join(iter(lambda: link.recv(65536), b"")).decode()
    except OSError as error:
        raise NotReady(str(error)) from None
    if not answer:  # the engine's proxy listens before the server does
        raise NotReady("the connection was closed")
    if not answer.startswith("+OK"):
        raise Refused(answer.splitlines()[0])
    return Identity(product="Redis", version=answer.partition("redis_version:")[2].split()[0])


def identify_postgres(url: str, limit: float) -> Identity:
    import psycopg2

    try:
        connection = psycopg2.connect(url, connect_timeout=max(2, int(limit)))
    except psycopg2.OperationalError as error:
        raise NotReady(str(error)) from None
    connection.close()
    return Identity(product="PostgreSQL", version=str(connection.server_version // 10000))


def redis_command(place: Place) -> Sequence[str]:
    return ("redis-server", "--requirepass", place.password)


def nothing(*_: object) -> Mapping[str, object]:
    raise AssertionError("no provider asks for settings or a probe")


IMAGE = Container(
    image="redis",
    tag="8",
    port=6379,
    url=lambda place: f"redis://:{place.password}@{place.host}:{place.port}/0",
    command=redis_command,
)
REDIS = BackendSpec(
    name="redis",
    title="Redis",
    sources=(IMAGE,),
    identify=identify_redis,
    settings=nothing,
    probe=nothing,  # type: ignore[arg-type]
)
POSTGRES = replace(
    REDIS,
    name="postgres",
    title="PostgreSQL",
    identify=identify_postgres,
    sources=(
        Container(
            image="postgres",
            tag="17",
            port=5432,
            url=lambda place: f"postgresql://u:{place.password}@{place.host}:{place.port}/u",
            environment=lambda place: {"POSTGRES_USER": "u", "POSTGRES_PASSWORD": place.password},
        ),
    ),
)
#: A run of its own that starts a container, says so, and waits to be ended.
CHILD = """
import json, pathlib, runpy, sys
specs = runpy.run_path(sys.argv[1])
run = specs["RunDirectory"](root=pathlib.Path(sys.argv[2]) if sys.argv[2] else None)
service = specs["ContainerProvider"](run, keep="keep" in sys.argv).start(specs["REDIS"], "", 30)
print(json.dumps([run.id, service.handle["container"]]), flush=True)
sys.stdin.read()
"""


@cache
def missing(image: str) -> str:
    """Why a test with this image cannot run here."""
    spec = replace(REDIS, sources=(replace(IMAGE, image=image.partition(":")[0]),))
    found = ContainerProvider(RunDirectory()).check(spec, image.partition(":")[2])
    return found.reason


@pytest.fixture
def engine() -> None:
    if missing("redis:8"):
        pytest.skip(missing("redis:8"))


@pytest.fixture
def run() -> Iterator[RunDirectory]:
    run = RunDirectory()
    yield run
    run.close()


def containers(run: str) -> list[Any]:
    with connected() as client:
        return list(
            client.containers.list(all=True, ignore_removed=True, filters={"label": f"{LABEL}.run={run}"})
        )


def exists(container: str) -> bool:
    with connected() as client:
        return bool(client.containers.list(all=True, ignore_removed=True, filters={"id": container}))


class Child:
    """Another run, in a process of its own; below a root of its own it is no business of other processes' sweeps."""

    def __init__(self, *words: str, root: Path | None = None, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, __file__, str(root or ""), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        assert self.process.stdout is not None
        self.run, self.container = json.loads(self.process.stdout.readline())

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.communicate(timeout=20)

    def service(self) -> Service:
        return Service(
            backend="redis",
            provider="container",
            url="",
            identity=Identity(product="", version=""),
            handle={"container": self.container},
        )


@pytest.mark.usefixtures("engine")
class TestAnEngineIsHere:
    def test_a_server_answers_at_the_engines_address_with_its_own_password(self, run: RunDirectory) -> None:
        provider = ContainerProvider(run)
        service = provider.start(REDIS, "", 30)
        assert (service.identity.product, service.provider) == ("Redis", "container")
        assert identify_redis(service.url, 2) == service.identity
        with pytest.raises(Refused):
            identify_redis(service.url.replace(str(urlsplit(service.url).password), "celery"), 2)
        provider.stop(service)

    def test_only_this_machine_can_reach_it_where_the_engine_is_here(self, run: RunDirectory) -> None:
        if reached_at() != "127.0.0.1":
            pytest.skip(f"containers are reached at {reached_at()}")
        provider = ContainerProvider(run)
        service = provider.start(REDIS, "", 30)
        (container,) = containers(run.id)
        published = [binding for bindings in container.ports.values() for binding in bindings or ()]
        assert [binding["HostIp"] for binding in published] == ["127.0.0.1"]
        assert urlsplit(service.url).hostname == "127.0.0.1"
        provider.stop(service)

    def test_a_stopped_container_is_gone_and_can_be_stopped_again(self, run: RunDirectory) -> None:
        provider = ContainerProvider(run)
        service = provider.start(REDIS, "", 30)
        assert "Ready to accept connections" in provider.logs(service)
        provider.stop(service)
        provider.stop(service)
        assert (containers(run.id), provider.logs(service)) == ([], "")

    def test_the_pinned_version_is_the_images_tag(self, run: RunDirectory) -> None:
        if missing("postgres:17"):
            pytest.skip(missing("postgres:17"))
        pytest.importorskip("psycopg2")
        provider = ContainerProvider(run)
        service = provider.start(POSTGRES, "17", 60)
        assert str(service) == "PostgreSQL 17 (container)"
        (started,) = containers(run.id)
        assert started.attrs["Config"]["Image"] == "postgres:17"
        assert service.handle["image"] == f"postgres:17 ({started.attrs['Image']})"
        provider.stop(service)

    def test_another_process_can_stop_a_container(self, run: RunDirectory) -> None:
        child = Child()
        ContainerProvider(run).stop(child.service())
        assert not exists(child.container)
        child.end(signal.SIGKILL)

    def test_an_interrupted_process_removes_what_nobody_stopped(self) -> None:
        child = Child()
        child.end(signal.SIGINT)
        assert not exists(child.container)

    def test_a_killed_process_has_its_containers_reaped(self) -> None:
        if os.environ.get("TESTCONTAINERS_RYUK_DISABLED"):
            pytest.skip("the reaper of testcontainers is switched off")
        child = Child(RYUK_RECONNECTION_TIMEOUT="1s")
        child.end(signal.SIGKILL)
        assert wait_until(lambda: not exists(child.container), 15)

    def test_a_sweep_removes_containers_of_dead_runs_and_no_others(self, tmp_path: Path) -> None:
        dead, live = Child(root=tmp_path, TESTCONTAINERS_RYUK_DISABLED="true"), Child(root=tmp_path)
        dead.end(signal.SIGKILL)
        run = RunDirectory(root=tmp_path)
        assert ContainerProvider(run).sweep() == (dead.container,)
        assert (exists(dead.container), exists(live.container)) == (False, True)
        live.end(signal.SIGINT)
        run.close()

    def test_a_kept_container_outlives_its_run_and_every_sweep(self, tmp_path: Path) -> None:
        child = Child("keep", root=tmp_path)
        child.end(signal.SIGINT)
        run = RunDirectory(root=tmp_path)
        provider = ContainerProvider(run)
        assert (provider.sweep(), exists(child.container)) == ((), True)
        provider.stop(child.service())
        run.close()

    def test_a_container_that_exits_is_told_with_its_last_words(self, run: RunDirectory) -> None:
        spec = with_image(replace(IMAGE, command=lambda place: ("sh", "-c", "echo no disk; exit 3")))
        assert failure(run, spec) == (
            "redis:8 exited with 3 before it answered\n"
            "  its last words: no disk\n"
            "  type: pytest --celery-backends-list"
        )
        assert containers(run.id) == []

    def test_a_container_that_never_answers_is_removed(self, run: RunDirectory) -> None:
        def never(url: str, limit: float) -> Identity:
            raise NotReady("still loading")

        assert failure(run, replace(REDIS, identify=never), 1) == (
            "redis:8 did not answer within 1 s\n  still loading\n  type: --celery-backends-timeout=2"
        )
        assert containers(run.id) == []

    def test_an_interrupt_while_a_container_starts_leaves_none(self, run: RunDirectory) -> None:
        def interrupt(url: str, limit: float) -> Identity:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            ContainerProvider(run).start(replace(REDIS, identify=interrupt), "", 30)
        assert containers(run.id) == []

    def test_an_image_that_is_not_here_and_cannot_be_pulled_tells_what_to_pull(
        self, run: RunDirectory
    ) -> None:
        assert failure(run, with_image(replace(IMAGE, image="127.0.0.1:1/unheard-of"))) == (
            "127.0.0.1:1/unheard-of:8 is not here and could not be pulled\n"
            '  Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused\n'
            "  type: docker pull 127.0.0.1:1/unheard-of:8"
        )

    def test_an_image_that_is_not_here_will_be_pulled(self, run: RunDirectory) -> None:
        found = ContainerProvider(run).check(REDIS, "1.2.3")
        assert (found.works, found.reason) == (True, "redis:1.2.3 is not here yet and will be pulled")

    def test_the_users_environment_is_as_before(
        self, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("TC_MAX_TRIES", raising=False)
        before = dict(os.environ)
        ContainerProvider(run).check(REDIS, "")
        assert dict(os.environ) == before

    def test_every_label_is_there_that_a_sweep_looks_for(self, run: RunDirectory) -> None:
        provider = ContainerProvider(run)
        service = provider.start(REDIS, "", 30)
        (container,) = containers(run.id)
        assert {f"{name}={value}" for name, value in container.labels.items()} >= set(origin(run.path.parent))
        provider.stop(service)


def test_without_the_pinned_image_one_that_is_here_is_called_by_its_own_version(
    engine: None, run: RunDirectory
) -> None:
    provider, spec = ContainerProvider(run), with_image(replace(IMAGE, tag="0.0.1"))
    service = provider.start(spec, "", 30)
    try:
        assert service.identity == identify_redis(service.url, 2)
    finally:
        provider.stop(service)
    with pytest.raises(StartFailed, match="redis:0.0.1 is not here and could not be pulled"):
        provider.start(spec, "0.0.1", 30)


def own_address() -> str:
    """This machine's address on its network; the loopback where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))  # an address for documentation; nothing is sent
        except OSError:
            return "127.0.0.1"
        return str(asked.getsockname()[0])


def forward(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def serve(listener: socket.socket, path: str, opened: list[socket.socket]) -> None:
    """Forward each connection to the engine, until the listener is shut down."""
    with contextlib.suppress(OSError):
        while True:
            client = listener.accept()[0]
            engine = socket.socket(socket.AF_UNIX)
            opened += [client, engine]
            engine.connect(path)
            for pair in ((client, engine), (engine, client)):
                threading.Thread(target=forward, args=pair, daemon=True).start()


@pytest.fixture
def remote_engine(engine: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a machine on the network whose engine is asked; it is this one, by its outer address."""
    from testcontainers.core.docker_client import get_docker_host

    kind, _, path = (get_docker_host() or "unix:///var/run/docker.sock").partition("://")
    address = own_address()
    if kind != "unix" or address.startswith("127."):
        pytest.skip(f"the engine is at {kind}://{path}, this machine at {address}")
    with environment_restored():
        start_reaper()  # it is asked again when the process ends
    opened: list[socket.socket] = []
    with socket.create_server((address, 0)) as listener:
        threading.Thread(target=serve, args=(listener, path, opened), daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{address}:{listener.getsockname()[1]}")
        yield address
        listener.shutdown(socket.SHUT_RDWR)
    for each in opened:
        each.close()


def test_a_server_of_an_engine_elsewhere_answers_at_that_machines_address(
    remote_engine: str, run: RunDirectory
) -> None:
    provider = ContainerProvider(run)
    service = provider.start(REDIS, "", 30)
    try:
        assert urlsplit(service.url).hostname == remote_engine
        assert identify_redis(service.url, 2) == service.identity
    finally:
        provider.stop(service)


def with_image(image: Container) -> BackendSpec:
    return replace(REDIS, sources=(image,))


def failure(run: RunDirectory, spec: BackendSpec, timeout: float = 30) -> str:
    with pytest.raises(StartFailed) as caught:
        ContainerProvider(run).start(spec, "", timeout)
    return str(caught.value)


@pytest.fixture
def dead_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("testcontainers")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")


@pytest.mark.usefixtures("dead_engine")
def test_an_engine_that_does_not_answer_is_told_with_its_address(run: RunDirectory) -> None:
    assert failure(run, REDIS) == (
        "no container engine answers at tcp://127.0.0.1:1\n  Connection refused\n  type: unset DOCKER_HOST"
    )


@pytest.mark.usefixtures("dead_engine")
def test_an_engine_that_does_not_answer_makes_containers_unavailable(run: RunDirectory) -> None:
    found = ContainerProvider(run).check(REDIS, "")
    assert (found.works, found.reason, found.remedy) == (
        False,
        "no container engine answers at tcp://127.0.0.1:1",
        "unset DOCKER_HOST",
    )


def test_an_engine_that_says_nothing_is_given_up_after_two_seconds(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("testcontainers")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        monkeypatch.setenv("DOCKER_HOST", address)
        provider = ContainerProvider(run)
        assert provider.check(REDIS, "").reason == f"no container engine answers at {address}"
        assert provider.check(POSTGRES, "").reason == f"no container engine answers at {address}"


def test_a_backend_without_an_image_is_not_available(run: RunDirectory) -> None:
    found = ContainerProvider(run).check(replace(REDIS, sources=()), "")
    assert (found.works, found.reason) == (False, "redis has no image")
