"""Servers given by URL: what is said where one cannot be used."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from pytest_celery_backends.errors import StartFailed
from pytest_celery_backends.providers.external import ExternalProvider
from pytest_celery_backends.providers.local import LocalProvider
from pytest_celery_backends.providers.run_directory import RunDirectory
from pytest_celery_backends.sources import BuiltIn, Container, External, Identity, Local, Program
from pytest_celery_backends.spec import BackendSpec, NotReady, Refused

EXAMPLE = "redis://:PASSWORD@localhost:6379/0"


def identify(url: str, limit: float) -> Identity:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname, parts.port or 6379), limit) as link:
            link.settimeout(limit)
            link.sendall(f"AUTH {parts.password}\r\nINFO server\r\nQUIT\r\n".encode())
            answer = b"".join(iter(lambda: link.recv(65536), b"")).decode()
    except OSError as error:
        raise NotReady(error.strerror or str(error)) from None
    if not answer.startswith("+OK"):
        raise Refused(answer.splitlines()[0].removeprefix("-"))
    return Identity(product="Redis", version=answer.partition("redis_version:")[2].split()[0])


def nothing(*_: object) -> Mapping[str, object]:
    raise AssertionError("no provider asks for settings or a probe")


PROGRAM = Program(
    binaries=("redis-server",),
    command=lambda place: f"redis-server --port {place.port} --requirepass {place.password}".split(),
    url=lambda place: f"redis://:{place.password}@127.0.0.1:{place.port}/0",
    identify_binary=lambda text: Identity(product="Redis", version=text.partition("v=")[2].split()[0]),
)
REDIS = BackendSpec(
    name="redis",
    title="Redis",
    sources=(
        External(schemes=("redis", "rediss"), example=EXAMPLE),
        Container(image="redis", tag="8", port=6379, url=lambda place: ""),
        Local(program=PROGRAM, package="redis-server"),
    ),
    identify=identify,
    settings=nothing,
    probe=nothing,  # type: ignore[arg-type]
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A Redis that somebody else started."""
    run = RunDirectory()
    provider = LocalProvider(run)
    found = provider.check(REDIS, "")
    if not found.works:
        pytest.skip(found.reason)
    service = provider.start(REDIS, "", 10)
    yield service.url
    provider.stop(service)
    run.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def refusal(url: str, version: str = "") -> str:
    with pytest.raises(StartFailed) as failure:
        ExternalProvider({"redis": url} if url else {}).start(REDIS, version, 5)
    return str(failure.value)


def test_a_server_that_answers_is_handed_out_as_it_is(url: str) -> None:
    provider = ExternalProvider({"redis": url})
    service = provider.start(REDIS, "", 5)
    assert (service.url, service.provider, dict(service.handle)) == (url, "external", {})
    assert service.identity == provider.check(REDIS, "").identity


def test_stopping_leaves_the_server_alone(url: str) -> None:
    provider = ExternalProvider({"redis": url})
    service = provider.start(REDIS, "", 5)
    provider.stop(service)
    assert provider.check(REDIS, "").works
    assert provider.logs(service) == ""


def test_a_backend_without_a_url_tells_the_option() -> None:
    assert refusal("") == f"no URL was given for redis\n  type: --celery-backends-url=redis={EXAMPLE}"


def test_a_url_of_another_backend_tells_what_it_should_begin_with() -> None:
    assert refusal("postgresql://u:secret@127.0.0.1/db") == (
        "postgresql://u:***@127.0.0.1/db is no URL of redis, which begins with redis:// or rediss://\n"
        f"  type: --celery-backends-url=redis={EXAMPLE}"
    )


def test_a_port_where_nothing_listens_tells_how_to_look() -> None:
    port = free_port()
    assert refusal(f"redis://:secret@127.0.0.1:{port}/0") == (
        f"nothing answers at redis://:***@127.0.0.1:{port}/0: Connection refused\n"
        f"  type: nc -vz 127.0.0.1 {port}"
    )


def test_a_server_that_says_nothing_is_given_up_after_two_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        found = ExternalProvider({"redis": f"redis://127.0.0.1:{mute.getsockname()[1]}/0"}).check(REDIS, "")
    assert found.reason.endswith("/0: timed out")


def test_a_wrong_password_shows_neither_it_nor_the_right_one(url: str) -> None:
    port = urlsplit(url).port
    assert refusal(f"redis://:wrong-one@127.0.0.1:{port}/0") == (
        f"redis://:***@127.0.0.1:{port}/0 refused us: "
        "WRONGPASS invalid username-password pair or user is disabled.\n"
        f"  type: --celery-backends-url=redis=redis://:PASSWORD@127.0.0.1:{port}/0"
    )


def test_a_remedy_of_the_backend_itself_comes_first(url: str) -> None:
    def refuse(url: str, limit: float) -> Identity:
        raise Refused("there is no database 'celery'", "createdb celery")

    found = ExternalProvider({"redis": url}).check(replace(REDIS, identify=refuse), "")
    assert found.remedy == "createdb celery"


def test_another_version_than_the_pinned_one_tells_both(url: str) -> None:
    version = identify(url, 2).version
    port = urlsplit(url).port
    assert refusal(url, "1.2") == (
        f"redis://:***@127.0.0.1:{port}/0 is Redis {version}, not Redis 1.2\n"
        "  type: --celery-backends-provider=redis=container"
    )


def test_the_pinned_version_is_handed_out(url: str) -> None:
    version = identify(url, 2).version
    assert ExternalProvider({"redis": url}).check(REDIS, version.partition(".")[0]).works


def test_a_backend_without_a_server_takes_no_url() -> None:
    spec = replace(REDIS, name="memory", sources=(BuiltIn(url=str),))
    found = ExternalProvider({"memory": "redis://127.0.0.1/0"}).check(spec, "")
    assert (found.reason, found.remedy) == (
        "memory needs no server, so it takes no URL",
        "--celery-backends=memory",
    )
