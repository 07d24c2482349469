"""The built-in backends: what they say about themselves, against what Celery does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from pytest_celery_backends import broker
from pytest_celery_backends.capabilities import Capability
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.sources import BuiltIn, Container, Embedded, External, Identity, Local, Place
from pytest_celery_backends.spec import BackendSpec, Namespace, Service

NAMES = (
    "azureblob",
    "consul",
    "dynamodb",
    "filesystem",
    "gcs",
    "mariadb",
    "memcached",
    "memory",
    "mongodb",
    "mysql",
    "postgres",
    "redis",
    "rpc",
    "rpc-memory",
    "s3",
    "sqlite",
)
IN_PROCESS = ("filesystem", "memory", "rpc-memory", "sqlite")
USERS_OWN = {
    "redis_host": "production",
    "redis_port": 1,
    "redis_db": 7,
    "redis_username": "someone",
    "redis_password": "secret",
    "redis_backend_use_ssl": {"ssl_cert_reqs": "none"},
    "redis_backend_credential_provider": "shop.secrets:Provider",
}


def _spec(name: str) -> BackendSpec:
    return Registry().get(name)


def _service(name: str, url: str) -> Service:
    return Service(backend=name, provider="external", url=url, identity=Identity(product="x", version="1"))


def _settings(name: str, url: str, namespace: str = "pcb1") -> dict[str, Any]:
    return dict(_spec(name).settings(_service(name, url), Namespace(name=namespace)))


def _backend(name: str, tmp_path: Path) -> Any:
    """The class of Celery's backend for a spec; nothing is connected."""
    from celery.app.backends import by_url

    urls = {
        "azureblob": "azureblockblob://AccountName=a;AccountKey=a2V5;EndpointSuffix=h",
        "consul": "consul://h:8500",
        "dynamodb": "dynamodb://k:s@127.0.0.1:1",
        "filesystem": f"file://{tmp_path}",
        "gcs": "gs://bucket/path?gcs_project=p",
        "mariadb": "mysql://u:p@h/d",
        "memcached": "memcached://h:11211",
        "memory": "cache+memory://",
        "mongodb": "mongodb://u:p@h/?authSource=admin",
        "mysql": "mysql://u:p@h/d",
        "postgres": "postgresql://u:p@h/d",
        "redis": "redis://h/0",
        "rpc": "amqp://h//",
        "rpc-memory": "in-process://localhost/",
        "s3": "s3://k:s@127.0.0.1:1",
        "sqlite": f"sqlite:///{tmp_path}",
    }
    return by_url(_settings(name, urls[name])["result_backend"])[0]


def test_these_backends_are_built_in() -> None:
    assert set(NAMES) <= set(Registry().names)


@pytest.mark.parametrize("name", NAMES)
def test_a_backend_bears_the_name_of_its_module(name: str) -> None:
    assert _spec(name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_every_limit_has_a_reason(name: str) -> None:
    for verdict in _spec(name).limits.values():
        assert verdict.answer != "yes"
        assert verdict.reason
        assert bool(verdict.issue) == (verdict.answer == "not yet")


@pytest.mark.parametrize("name", NAMES)
def test_batch_is_what_celery_calls_native_join(name: str, tmp_path: Path) -> None:
    assert bool(_spec(name).verdict(Capability.BATCH)) == _backend(name, tmp_path).supports_native_join


@pytest.mark.parametrize("name", NAMES)
def test_compression_is_what_celery_says_of_it(name: str, tmp_path: Path) -> None:
    supported = getattr(_backend(name, tmp_path), "supports_result_compression", False)
    assert bool(_spec(name).verdict(Capability.COMPRESSION)) == supported


@pytest.mark.parametrize("name", NAMES)
def test_chords_are_refused_where_the_spec_says_so(name: str, tmp_path: Path) -> None:
    from celery.backends.base import Backend

    is_refused = _backend(name, tmp_path).ensure_chords_allowed is not Backend.ensure_chords_allowed
    assert bool(_spec(name).verdict(Capability.CHORDS)) != is_refused


@pytest.mark.parametrize("name", IN_PROCESS)
def test_a_backend_without_server_says_what_it_is(name: str, tmp_path: Path) -> None:
    source = _spec(name).source("embedded")
    assert isinstance(source, BuiltIn)
    identity = _spec(name).identify(source.url(str(tmp_path)), 1)
    assert identity.product == _spec(name).title
    assert identity.version


def test_rpc_memory_uses_the_scheme_of_the_in_process_broker() -> None:
    source = _spec("rpc-memory").source("embedded")
    assert isinstance(source, BuiltIn)
    assert source.url("") == broker.broker_url("")


def test_the_users_own_redis_settings_do_not_reach_the_tests_server() -> None:
    app = Celery("tests", set_as_current=False)
    app.conf.update(USERS_OWN)
    app.conf.update(_settings("redis", "redis://:right@127.0.0.1:6380/3"))
    connection = app.backend.connparams
    assert (connection["host"], connection["port"], connection["db"]) == ("127.0.0.1", 6380, 3)
    assert connection["password"] == "right"
    assert connection.get("username") is None
    assert "connection_class" not in connection
    assert "credential_provider" not in connection


def test_the_password_of_the_user_does_not_reach_a_server_without_one() -> None:
    app = Celery("tests", set_as_current=False)
    app.conf.update(USERS_OWN)
    app.conf.update(_settings("redis", "redis://127.0.0.1:6380/0"))
    assert app.backend.connparams["password"] is None


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:1/0",
        "rediss://127.0.0.1:1/0",
        "rediss://127.0.0.1:1/0?ssl_cert_reqs=CERT_NONE",
        "redis+socket:///run/redis.sock?virtual_host=2",
    ],
)
def test_celery_and_the_probe_go_to_the_same_redis(url: str) -> None:
    from redis import Redis

    from pytest_celery_backends.probes.redis_urls import driver_url

    app = Celery("tests", set_as_current=False)
    app.conf.update(_settings("redis", url))
    ours = Redis.from_url(driver_url(url)).connection_pool.connection_kwargs
    theirs = app.backend.connparams
    for name in ("host", "port", "path"):
        assert ours.get(name) == theirs.get(name)
    assert int(ours.get("db", 0)) == theirs["db"]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("consul://h", ("h", 8500, None)),
        ("consul://h:7/", ("h", 7, None)),
        ("consul://h:7/shop/results", ("h", 7, "shop/results")),
    ],
)
def test_celery_goes_to_the_port_and_path_of_consul(url: str, place: tuple[object, ...]) -> None:
    app = Celery("tests", set_as_current=False)
    app.conf.update(_settings("consul", url))
    assert (app.backend.hostname, app.backend.port, app.backend.path) == place


def test_a_dead_redis_is_given_up_at_once() -> None:
    policy = _settings("redis", "redis://h/0")["result_backend_transport_options"]["retry_policy"]
    assert policy["max_retries"] * policy["interval_max"] < 1


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%40@h:5/d",
        "postgres://u:p%40@h:5/d",
        "db+postgresql+psycopg2://u:p%40@h:5/d",
    ],
)
def test_postgres_names_its_driver_and_the_schema(url: str) -> None:
    expected = "db+postgresql+psycopg2://u:p%40@h:5/d?options=-csearch_path%3Dpcb1"
    assert _settings("postgres", url)["result_backend"] == expected


@pytest.mark.parametrize(
    "url", ["mysql://u:p%40@h:5/d?charset=utf8", "db+mysql+pymysql://u:p%40@h:5/d?charset=utf8"]
)
@pytest.mark.parametrize("name", ["mariadb", "mysql"])
def test_mysql_names_its_driver_and_the_database(name: str, url: str) -> None:
    expected = "db+mysql+pymysql://u:p%40@h:5/pcb1?charset=utf8"
    assert _settings(name, url)["result_backend"] == expected
    source = _spec(name).source("external")
    assert isinstance(source, External)
    assert url.partition(":")[0] in source.schemes


@pytest.mark.parametrize("name", ["mariadb", "mysql", "postgres", "sqlite"])
def test_the_users_own_table_schemas_do_not_lead_out_of_the_namespace(name: str) -> None:
    assert _settings(name, "postgresql://h/d")["database_table_schemas"] == {}


@pytest.mark.parametrize(
    ("name", "text", "identity"),
    [
        ("redis", "Redis server v=7.0.15 sha=0:0 malloc=jemalloc", "Redis 7.0.15"),
        ("redis", "Valkey server v=9.1.2 sha=0:1 malloc=libc", "Valkey 9.1.2"),
        ("postgres", "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)", "PostgreSQL 15.20"),
        ("postgres", "postgres (PostgreSQL) 18beta1", "PostgreSQL 18"),
        (
            "mariadb",
            "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64",
            "MariaDB 10.11.19",
        ),
        ("mysql", "/usr/sbin/mysqld  Ver 9.7.4 for Linux on x86_64 (MySQL Community Server)", "MySQL 9.7.4"),
        ("consul", "Consul v1.8.7\nProtocol 2 spoken by default, understands 2 to 3", "Consul 1.8.7"),
        ("mongodb", 'db version v8.0.4\nBuild Info: {\n    "version": "8.0.4"', "MongoDB 8.0.4"),
    ],
)
def test_binaries_are_told_apart_by_what_they_print(name: str, text: str, identity: str) -> None:
    source = _spec(name).source("local")
    assert isinstance(source, Local)
    assert str(source.program.identify_binary(text)) == identity


@pytest.mark.parametrize("name", ["consul", "mariadb", "mongodb", "mysql", "postgres", "redis"])
def test_what_another_program_prints_is_no_version(name: str) -> None:
    source = _spec(name).source("local")
    assert isinstance(source, Local)
    with pytest.raises(ValueError):
        source.program.identify_binary("nginx version: 1.2")


def test_rabbitmq_is_not_started_to_learn_its_version() -> None:
    source = _spec("rpc").source("local")
    assert isinstance(source, Local)
    assert source.program.identify_path is not None
    debian = Path("/usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/sbin/rabbitmq-server")
    homebrew = Path("/opt/homebrew/Cellar/rabbitmq/4.0.5/sbin/rabbitmq-server")
    assert [str(source.program.identify_path(path)) for path in (debian, homebrew)] == [
        "RabbitMQ 3.10.8",
        "RabbitMQ 4.0.5",
    ]
    with pytest.raises(ValueError):
        source.program.identify_path(Path("/usr/lib/rabbitmq/bin/rabbitmq-script-wrapper"))


def test_no_password_is_on_rabbitmqs_command_line(tmp_path: Path) -> None:
    place = Place(binaries=tmp_path, directory=tmp_path, port=1, ports=(1, 2, 3), password="s3cret")
    source = _spec("rpc").source("local")
    assert isinstance(source, Local)
    assert "s3cret" not in " ".join(source.program.command(place))
    assert "s3cret" not in " ".join(source.program.environment(place).values())
    assert "s3cret" not in source.program.files(place)[".erlang.cookie"]
    assert "s3cret" in source.program.files(place)["rabbit.conf"]


def test_the_tasks_of_rpc_go_over_its_own_broker() -> None:
    assert _settings("rpc", "amqp://u:p%40@h:5672/shop") == {
        "result_backend": "rpc://",
        "broker_url": "namespaced-amqp://u:p%40@h:5672/shop/pcb1",
    }


@pytest.mark.parametrize("name", ["mariadb", "mongodb", "mysql", "postgres", "redis"])
def test_no_password_is_on_a_private_servers_command_line(name: str, tmp_path: Path) -> None:
    place = Place(binaries=tmp_path, directory=tmp_path, port=1, password="s3cret")
    spec = _spec(name)
    local, embedded = spec.source("local"), spec.source("embedded")
    assert isinstance(local, Local)
    wheels = embedded.wheels if isinstance(embedded, Embedded) else ()
    for program in (local.program, *(wheel.program for wheel in wheels)):
        commands = [*program.prepare(place), *program.renew(place), program.command(place)]
        assert "s3cret" not in " ".join(word for words in commands for word in words)
        given = "".join(program.files(place).values())
        assert "s3cret" in given or given.startswith("SCRAM-SHA-256$1:")
        assert "s3cret" in program.url(place)


def test_mysql_gets_no_option_that_only_mariadb_starts_with(tmp_path: Path) -> None:
    place = Place(binaries=tmp_path, directory=tmp_path, port=1, password="s3cret")
    # "Tablespace size must be at least 12 MB", MySQL 9.7
    option = "--loose-innodb-temp-data-file-path=ibtmp1:2M:autoextend"
    found = {}
    for name in ("mariadb", "mysql"):
        container, local = _spec(name).source("container"), _spec(name).source("local")
        assert isinstance(container, Container)
        assert isinstance(local, Local)
        started = (container.command(place), local.program.command(place))
        found[name] = [option in command for command in started]
    assert found["mysql"] == [False, False]
    assert found["mariadb"] == [True, True]


def test_two_databases_of_one_process_each_get_their_tables(tmp_path: Path) -> None:
    # Up to Celery 5.4 only the first one would.
    spec = _spec("sqlite")
    for name in ("one", "two"):
        app = Celery("tests", set_as_current=False)
        app.conf.update(_settings("sqlite", f"sqlite:///{tmp_path}", name))
        spec.adapt(app.backend, "client")
        app.backend.store_result("t1", 1, "SUCCESS")
        assert app.backend.get_task_meta("t1")["status"] == "SUCCESS"


def test_asking_for_all_backends_imports_no_driver_and_no_celery() -> None:
    code = (
        "import sys; from pytest_celery_backends.registry import Registry; registry = Registry();"
        "[registry.get(name) for name in registry.names];"
        "print(sorted({'celery', 'kombu', 'redis', 'psycopg2', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "[]"
