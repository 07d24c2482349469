"""How the built-in backends' own servers are run: local binaries, and wheels whose server is Python."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_celery_backends.backends.gcs import WHEEL as GCS_WHEEL
from pytest_celery_backends.errors import StartFailed
from pytest_celery_backends.probes.http_json import JsonServer
from pytest_celery_backends.providers.embedded import EmbeddedProvider
from pytest_celery_backends.providers.run_directory import RunDirectory
from pytest_celery_backends.python_servers import python_wheel
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.sources import Embedded, Identity, Local, Place, Program, Wheel
from pytest_celery_backends.spec import BackendSpec

ROOT = Path(__file__).parents[2]
SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{}')

HTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""


def _programs(name: str) -> list[Program]:
    spec = Registry().get(name)
    local, embedded = spec.source("local"), spec.source("embedded")
    programs = [wheel.program for wheel in embedded.wheels] if isinstance(embedded, Embedded) else []
    return [*programs, local.program] if isinstance(local, Local) else programs


def _wheels() -> Iterator[Wheel]:
    """Those that users are told to install: the first of each source."""
    for name in Registry().names:
        source = Registry().get(name).source("embedded")
        if isinstance(source, Embedded):
            yield source.wheels[0]
    yield GCS_WHEEL  # no source with a newer Celery


@pytest.fixture
def run() -> Iterator[RunDirectory]:
    run = RunDirectory()
    yield run
    run.close()


def _install(directory: Path, package: str, version: str) -> None:
    """As pip would: a package, and what tells its version."""
    (directory / package).mkdir()
    (directory / package / "__init__.py").touch()
    (directory / package / "__main__.py").write_text(SERVER)
    about = directory / f"{package}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")


def _identify(product: str, url: str, limit: float) -> Identity:
    JsonServer(url, port=0, limit=limit, headers={}).ask("GET", "/")
    return Identity(product=product, version="")


def _spec(package: str, answers: str = "", needs: tuple[str, ...] = ()) -> BackendSpec:
    wheel = python_wheel(
        distribution=package,
        package=package,
        product=package.title(),
        extra="that",
        arguments=lambda place: ("-m", package, place.host, str(place.port)),
        url=lambda place: f"http://{place.host}:{place.port}",
        needs=needs,
    )
    return replace(
        Registry().get("redis"),
        name=package,
        title="That",
        sources=(Embedded(wheels=(wheel,)),),
        identify=lambda url, limit: _identify(answers or package.title(), url, limit),
    )


@pytest.mark.parametrize("name", ["consul", "dynamodb", "mongodb", "s3"])
def test_a_private_server_listens_where_it_is_told(name: str, tmp_path: Path) -> None:
    place = Place(directory=tmp_path, binaries=tmp_path, port=4711, ports=(4711, 4712, 4713), password="x")
    for program in _programs(name):
        words = program.command(place)
        assert "127.0.0.1" in words
        assert {str(port) for port in place.ports[: program.ports]} <= set(words)


def test_an_emulator_of_cloud_storage_listens_where_it_is_told(tmp_path: Path) -> None:
    words = GCS_WHEEL.program.command(Place(directory=tmp_path, port=4711, password="x"))
    assert {"--host=127.0.0.1", "--port=4711"} <= set(words)


@pytest.mark.parametrize(
    ("flags", "last"),
    [
        ("-grpc-port=<value>", ["-grpc-port", "-1"]),
        ("-grpc-port=<value> -grpc-tls-port=<value>", ["-grpc-tls-port", "-1"]),
    ],
)
def test_consul_is_given_no_flag_that_it_does_not_know(flags: str, last: list[str], tmp_path: Path) -> None:
    binary = tmp_path / "consul"
    binary.write_text(f'#!/bin/sh\n[ "$2" = -help ] && echo "{flags}" || echo "$@"\n')
    binary.chmod(0o755)
    (program,) = _programs("consul")
    place = Place(directory=tmp_path, binaries=tmp_path, port=1, ports=(1, 2, 3), password="x")
    done = subprocess.run(program.command(place), capture_output=True, text=True, check=True, timeout=10)
    assert done.stdout.split()[-2:] == last


def test_mongod_lets_in_who_has_the_key_of_its_cluster(tmp_path: Path) -> None:
    place = Place(directory=tmp_path, binaries=tmp_path, port=1, password="s3cret")
    (program,) = [program for program in _programs("mongodb") if program.binaries == ("mongod",)]
    words = list(program.command(place))
    key = words[words.index("--keyFile") + 1]
    assert program.files(place) == {Path(key).name: "s3cret"}
    assert program.url(place) == "mongodb://__system:s3cret@127.0.0.1:1/?authSource=local"


@pytest.mark.parametrize(("distribution", "extra"), sorted({(w.distribution, w.extra) for w in _wheels()}))
def test_the_extra_of_a_wheel_brings_it(distribution: str, extra: str) -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")  # Python 3.10 reads no TOML
    brought = project.partition(f"\n{extra} = [")[2].partition("]\n")[0]
    assert re.search(rf'"{distribution}\W', brought)


def test_a_python_server_has_its_wheels_version_where_it_tells_none(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, "pcb_one", "1.5")
    monkeypatch.syspath_prepend(tmp_path)  # and nowhere that a new Python would look by itself
    service = EmbeddedProvider(run).start(_spec("pcb_one"), "", 30)
    assert str(service) == "Pcb_One 1.5 (embedded)"


def test_another_product_that_answers_gets_no_version_of_ours(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, "pcb_one", "1.5")
    monkeypatch.syspath_prepend(tmp_path)
    service = EmbeddedProvider(run).start(_spec("pcb_one", answers="Other"), "", 30)
    assert str(service) == "Other (embedded)"


def test_servers_that_one_python_runs_are_told_apart(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = EmbeddedProvider(run)
    for package, version in (("pcb_one", "1.5"), ("pcb_two", "2.5")):
        _install(tmp_path, package, version)
    monkeypatch.syspath_prepend(tmp_path)
    found = [str(provider.check(_spec(package), "").identity) for package in ("pcb_one", "pcb_two")]
    assert found == ["Pcb_One 1.5", "Pcb_Two 2.5"]


def test_a_python_server_without_what_it_needs_is_not_started(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, "pcb_one", "1.5")
    monkeypatch.syspath_prepend(tmp_path)
    spec = _spec("pcb_one", needs=("json", "no_such_web"))
    with pytest.raises(StartFailed, match="pcb_one is installed without no_such_web") as failure:
        EmbeddedProvider(run).start(spec, "", 30)
    assert failure.value.remedy == "pip install 'pytest-celery-backends[that]'"


def test_a_python_server_that_is_not_installed_tells_its_extra(run: RunDirectory) -> None:
    found = EmbeddedProvider(run).check(_spec("pcb_none"), "")
    assert (found.reason, found.remedy) == (
        "pcb_none is not installed",
        "pip install 'pytest-celery-backends[that]'",
    )


def test_looking_for_python_servers_imports_none_of_them() -> None:
    code = (
        "import sys; from pytest_celery_backends.registry import Registry;"
        "from pytest_celery_backends.providers.embedded import EmbeddedProvider as Embedded;"
        "from pytest_celery_backends.providers.run_directory import RunDirectory;"
        "[Embedded(RunDirectory()).check(Registry().get(name), '') for name in ('s3', 'mongodb')];"
        "print(sorted({'moto', 'flask', 'secantus', 'pymongo'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "[]"
