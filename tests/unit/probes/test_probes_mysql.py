"""MariaDB and MySQL: what a server says it is, what may be refused, and what stays when a database goes."""

from __future__ import annotations

import socket
import threading
import uuid
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from pytest_celery_backends.errors import Unavailable, WaitTimeout
from pytest_celery_backends.mysql_server import await_greeting, database_url
from pytest_celery_backends.probes import mysql
from pytest_celery_backends.probes.alchemy import AlchemyDatabase, Dialect
from pytest_celery_backends.probes.mysql import identify, product, sweep
from pytest_celery_backends.probes.sql import SqlProbe
from pytest_celery_backends.spec import NotReady, ProbeContext, Refused, Service

pymysql = pytest.importorskip("pymysql")


@contextmanager
def _session(url: str) -> Any:
    with closing(mysql._connected(url)) as connection, connection.cursor() as cursor:
        yield cursor


def _databases(url: str) -> list[str]:
    with _session(url) as cursor:
        cursor.execute("SHOW DATABASES")
        return [name for (name,) in cursor.fetchall()]


def _with_user(service: Service, user: str, password: str, path: str = "/") -> str:
    parts = urlsplit(service.url)
    return f"mysql://{user}:{password}@{parts.hostname}:{parts.port}{path}"


@pytest.fixture
def store(open_store: Any) -> Any:
    return open_store("mariadb", result_expires=3600)


def test_a_server_says_what_it_is(get_service: Any) -> None:
    identity = identify(get_service("mariadb").url, 5)
    assert identity.product == "MariaDB"
    assert identity.version.replace(".", "").isdecimal()


def test_mariadb_that_answers_for_mysql_is_no_mysql() -> None:
    # A pinned mysql:11 is not had from it.
    assert not product("11.8.6-MariaDB", "").satisfies("MySQL", "11")
    assert product("9.7.4", "(Debian)").satisfies("MySQL", "9")
    assert str(product("8.4.2-2", "Percona Server (GPL), Release 2")) == "Percona Server 8.4.2"


def test_a_port_on_which_nobody_listens_is_not_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NotReady, match="refused"):
            identify(f"mysql://u:p@127.0.0.1:{taken.getsockname()[1]}/d", 1)


def test_a_port_that_is_only_passed_on_is_not_ready() -> None:
    # an engine listens for a container before the server in it does
    with socket.create_server(("127.0.0.1", 0)) as engine:
        accepting = threading.Thread(target=lambda: engine.accept()[0].close())
        accepting.start()
        with pytest.raises(NotReady, match=r"^the connection was closed without a word$"):
            identify(f"mysql://u:p@127.0.0.1:{engine.getsockname()[1]}/d", 1)
        accepting.join()


@pytest.mark.parametrize("where", ["unix_socket=/nowhere.sock", "read_default_file=/nowhere.cnf"])
def test_a_server_that_is_not_reached_by_its_host_is_left_to_the_driver(where: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        await_greeting(f"mysql://u:p@127.0.0.1:{taken.getsockname()[1]}/d?{where}", 1)


def test_only_the_users_own_servers_are_asked_for_tls(get_service: Any, open_store: Any) -> None:
    service = get_service("mariadb")
    ours = open_store("mariadb", service=service)
    assert "ssl_disabled=true" in ours.app.conf.result_backend
    assert not ours.probe.client.ssl
    users = open_store("mariadb", service=replace(service, provider="external"))
    assert "ssl_disabled" not in users.app.conf.result_backend


def test_a_wrong_password_is_refused(get_service: Any) -> None:
    with pytest.raises(Refused, match="Access denied"):
        identify(_with_user(get_service("mariadb"), "celery", "wrong"), 5)


def test_a_missing_database_is_refused_with_the_statement_that_makes_it(get_service: Any) -> None:
    service = get_service("mariadb")
    with pytest.raises(Refused, match="Unknown database 'nowhere'") as caught:
        identify(f"{service.url}nowhere", 5)
    assert caught.value.remedy == "CREATE DATABASE `nowhere`;"


def test_a_user_that_may_not_make_databases_is_told_what_to_grant(get_service: Any, open_store: Any) -> None:
    service = get_service("mariadb")
    user = f"weak_{uuid.uuid4().hex[:8]}"
    with _session(
        service.url
    ) as cursor:  # a private server: the user may stay, the store needs it until the end
        cursor.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 'weak'")
        weak = replace(service, provider="external", url=_with_user(service, user, "weak"))
        with pytest.raises(Unavailable) as caught:
            open_store("mariadb", service=weak)
        first, *_, last = str(caught.value).splitlines()
        assert first == f"mariadb: user {user}@% cannot make a database for each test"
        assert last == f"  type: GRANT ALL ON `pcb\\_%`.* TO '{user}'@'%';"
        assert "weak@" not in str(caught.value)
        cursor.execute(last.removeprefix("  type: "))
    granted = open_store("mariadb", service=weak)
    granted.keep()
    assert len(granted.probe.stored()) == 1


def test_a_database_goes_and_foreign_ones_stay(store: Any) -> None:
    store.keep()
    foreign = f"foreign_{uuid.uuid4().hex}"
    with _session(store.service.url) as cursor:
        cursor.execute(f"CREATE DATABASE {foreign}")
        cursor.execute(f"CREATE TABLE {foreign}.celery_taskmeta (task_id text, status text)")
        cursor.execute(f"INSERT INTO {foreign}.celery_taskmeta VALUES ('t', 'SUCCESS')")
        store.probe.empty()
        store.probe.drop()
        cursor.execute(f"SELECT count(*) FROM {foreign}.celery_taskmeta")
        assert cursor.fetchall() == ((1,),)
        cursor.execute(f"DROP DATABASE {foreign}")
    assert store.namespace.name not in _databases(store.service.url)


def test_only_databases_of_the_dead_run_are_swept(store: Any) -> None:
    names = [f"pcb_dead{uuid.uuid4().hex[:6]}_1", f"Pcb_dead{uuid.uuid4().hex[:6]}_1"]
    with _session(store.service.url) as cursor:
        for name in names:
            cursor.execute(f"CREATE DATABASE `{name}`")
        sweep(store.service.url, "pcb_dead")
        found = _databases(store.service.url)
        assert (names[0] in found, names[1] in found, store.namespace.name in found) == (False, True, True)
        cursor.execute(f"DROP DATABASE `{names[1]}`")


def test_a_namespace_has_the_character_set_of_the_urls_database(get_service: Any, open_store: Any) -> None:
    service, name = get_service("mariadb"), f"shop_{uuid.uuid4().hex[:6]}"
    with _session(service.url) as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET latin1 COLLATE latin1_bin")
        try:
            store = open_store("mariadb", service=replace(service, url=f"{service.url}{name}"))
            found = store.probe._database.run("SELECT @@character_set_database, @@collation_database").rows
            assert found == (("latin1", "latin1_bin"),)
        finally:
            cursor.execute(f"DROP DATABASE {name}")


def test_a_private_server_keeps_every_character(store: Any) -> None:
    store.backend.mark_as_failure("t1", ValueError("\N{PARTY POPPER}"), traceback="\N{PARTY POPPER}")
    assert store.backend.get_task_meta("t1")["traceback"] == "\N{PARTY POPPER}"


def test_a_result_beyond_64_kb_is_not_stored_as_the_spec_says(store: Any) -> None:
    from celery.exceptions import BackendStoreError
    from sqlalchemy.exc import DataError

    with pytest.raises((BackendStoreError, DataError)):  # Celery before 5.5 lets the driver's error through
        store.keep("x" * 70_000)
    assert store.probe.stored() == []


def test_a_cut_connection_is_made_again(store: Any) -> None:
    store.keep()
    store.probe.stored()
    with _session(store.service.url) as cursor:
        cursor.execute(f"KILL {store.probe.client.thread_id()}")
    assert [found.state for found in store.probe.stored()] == ["SUCCESS"]


def test_a_database_that_is_in_use_is_waited_for_within_a_limit(store: Any, monkeypatch: Any) -> None:
    store.keep()
    monkeypatch.setattr(mysql, "LIMIT", 1)
    store.probe.client.close()
    with _session(store.service.url) as cursor:
        cursor.execute(f"LOCK TABLES {store.namespace.name}.celery_taskmeta READ")
        with pytest.raises(WaitTimeout, match="is still in use after 1 s"):
            store.probe.drop()


def test_the_users_own_parameters_are_kept(get_service: Any, open_store: Any) -> None:
    service = get_service("mariadb")
    store = open_store("mariadb", service=replace(service, url=f"{service.url}?charset=latin1"))
    store.keep()
    assert "charset=latin1" in store.app.conf.result_backend
    assert store.probe.client.charset == "latin1"
    assert len(store.probe.stored()) == 1


#: MariaDB, described as SQL Server and Oracle are: what those two share is run for real.
DIALECT = Dialect(
    url=database_url,
    create=lambda name: (f"CREATE DATABASE IF NOT EXISTS {name}",),
    drop=lambda name: (f"DROP DATABASE IF EXISTS {name}",),
    age=lambda clock: f"TIMESTAMPDIFF(MICROSECOND, date_done, '{clock:%Y-%m-%d %H:%M:%S}') / 1e6",
    grant="GRANT ALL;",
    limit="connect_timeout",
    refusals=frozenset({1045}),
)


def test_the_probe_of_other_databases_does_what_the_others_do(store: Any) -> None:
    original = store.keep([1, 2])
    context = ProbeContext(
        service=store.service, namespace=store.namespace, decode=lambda raw: {}, lifetime=3600
    )
    probe = SqlProbe(context, AlchemyDatabase(context, database_url(store.service.url), DIALECT))
    probe.create()
    copy = probe.aged_copy(original, 600)
    by_id = {found.task_id: found for found in probe.stored()}
    assert by_id[original].expires_in == pytest.approx(3600, abs=10)
    assert by_id[copy].expires_in == pytest.approx(3000, abs=10)
    assert probe.held(copy) == store.probe.held(original)
    assert store.app.AsyncResult(copy).get(timeout=5) == [1, 2]
    probe.remove(original)
    assert store.ids() == [copy]
    probe.empty()
    assert store.probe.stored() == []
    probe.drop()
    assert store.namespace.name not in _databases(store.service.url)
