"""SQLite and PostgreSQL: tables under any name, what a server says, and what stays when a schema goes."""

from __future__ import annotations

import os
import socket
import sqlite3
import uuid
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from pytest_celery_backends.capabilities import Capability
from pytest_celery_backends.errors import Unavailable, WaitTimeout
from pytest_celery_backends.probes import postgres
from pytest_celery_backends.probes.postgres import identify, schema_url
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.spec import NotReady, Refused, Service


@contextmanager
def _session(url: str) -> Any:
    with closing(psycopg2.connect(schema_url(url))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def _schemas(url: str) -> list[str]:
    with _session(url) as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace")
        return [name for (name,) in cursor.fetchall()]


def _with_user(service: Service, user: str, password: str, database: str = "postgres") -> str:
    parts = urlsplit(service.url)
    return f"postgresql://{user}:{password}@{parts.hostname}:{parts.port}/{database}"


@pytest.fixture
def store(open_store: Any) -> Any:
    return open_store("postgres", result_expires=3600)


def test_tables_are_known_whatever_they_are_called(open_store: Any) -> None:
    store = open_store("sqlite")
    path = store.app.conf.result_backend.removeprefix("db+sqlite:///")
    with closing(sqlite3.connect(path)) as connection:
        for table in ("celery_taskmeta", "celery_tasksetmeta"):
            connection.execute(f'DROP TABLE IF EXISTS "{table}"')
        connection.execute(
            'CREATE TABLE "my ""results""" (task_id TEXT, status TEXT, result BLOB, date_done TEXT)'
        )
        connection.execute("CREATE TABLE foreign_rows (id INTEGER)")
        connection.execute("""INSERT INTO "my ""results\""" VALUES ('t1', 'SUCCESS', x'00', NULL)""")
        connection.commit()
    (found,) = store.probe.stored()
    assert (found.task_id, found.key) == ("t1", 'my "results"/t1')


def test_a_file_that_is_not_there_yet_is_not_made_by_looking(open_store: Any) -> None:
    store = open_store("sqlite")
    store.probe.drop()
    assert store.probe.stored() == []
    assert not os.path.exists(store.app.conf.result_backend.removeprefix("db+sqlite:///"))


def test_a_file_goes_with_its_journals(open_store: Any) -> None:
    store = open_store("sqlite")
    path = store.app.conf.result_backend.removeprefix("db+sqlite:///")
    store.keep()
    for suffix in ("-journal", "-wal", "-shm"):
        open(path + suffix, "w").close()
    store.probe.drop()
    assert not [name for name in os.listdir(os.path.dirname(path)) if store.namespace.name in name]


def test_a_result_that_is_not_final_never_expires(store: Any) -> None:
    # date_done is NULL, and so cleanup passes the row over.
    store.keep(None, "STARTED")
    assert [found.expires_in for found in store.probe.stored()] == [None]


def test_a_schema_goes_and_foreign_tables_stay(store: Any) -> None:
    store.keep()
    with _session(store.service.url) as cursor:
        foreign = f"foreign_{uuid.uuid4().hex}"
        cursor.execute(f"CREATE TABLE public.{foreign} AS SELECT 1 AS one")
        store.probe.empty()
        store.probe.drop()
        cursor.execute(f"SELECT one FROM public.{foreign}")
        assert cursor.fetchall() == [(1,)]
        cursor.execute(f"DROP TABLE public.{foreign}")
    assert store.namespace.name not in _schemas(store.service.url)


def test_tables_of_others_on_a_server_that_is_there_already_stay(open_store: Any) -> None:
    url = os.environ.get("TEST_POSTGRES_URL", "postgresql://root@127.0.0.1:5432/test")
    spec = Registry().get("postgres")
    try:
        service = Service(backend="postgres", provider="external", url=url, identity=spec.identify(url, 2))
    except (NotReady, Refused) as reason:
        pytest.skip(f"no server at {url}: {reason}")
    foreign = f"pcb_foreign_{uuid.uuid4().hex}"
    with _session(url) as cursor:
        cursor.execute(f"CREATE SCHEMA {foreign}")
        try:
            cursor.execute(f"CREATE TABLE {foreign}.celery_taskmeta (task_id text, status text)")
            store = open_store("postgres", service=service)
            store.keep()
            assert len(store.probe.stored()) == 1
            store.probe.drop()
            cursor.execute(f"SELECT count(*) FROM {foreign}.celery_taskmeta")
            assert cursor.fetchall() == [(0,)]
        finally:
            cursor.execute(f"DROP SCHEMA {foreign} CASCADE")


def test_a_cut_connection_is_made_again(store: Any) -> None:
    store.keep()
    store.probe.stored()
    with _session(store.service.url) as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [store.probe.client.info.backend_pid])
    assert [found.state for found in store.probe.stored()] == ["SUCCESS"]


def test_a_role_that_may_not_make_schemas_is_told_what_to_grant(get_service: Any, open_store: Any) -> None:
    service = get_service("postgres")
    role = f"weak_{uuid.uuid4().hex[:8]}"
    with _session(service.url) as cursor:
        cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'weak'")
        try:
            weak = Service(
                backend="postgres",
                provider="external",
                url=_with_user(service, role, "weak"),
                identity=service.identity,
            )
            with pytest.raises(Unavailable) as caught:
                open_store("postgres", service=weak)
        finally:
            cursor.execute(f"DROP ROLE {role}")
    first, *_, last = str(caught.value).splitlines()
    assert first == f"postgres: role {role} cannot make a schema for each test in database postgres"
    assert last == f'  type: GRANT CREATE ON DATABASE "postgres" TO "{role}";'
    assert "weak@" not in str(caught.value)


def test_a_schema_that_is_in_use_is_waited_for_within_a_limit(store: Any, monkeypatch: Any) -> None:
    store.keep()
    store.probe.drop()
    store.probe.create()
    monkeypatch.setattr(postgres, "LIMIT", 1)
    probe = store.probe
    probe.client.close()
    url = schema_url(store.service.url, store.namespace.name)
    with closing(psycopg2.connect(url)) as other, other.cursor() as cursor:
        cursor.execute("CREATE TABLE locked (id int)")
        other.commit()
        cursor.execute("LOCK TABLE locked")
        with pytest.raises(WaitTimeout, match="is still in use after 1 s"):
            probe.drop()


def test_the_users_own_connection_options_are_kept(store: Any, open_store: Any) -> None:
    url = f"{store.service.url}?options=-cstatement_timeout%3D5s&application_name=mine"
    service = Service(backend="postgres", provider="external", url=url, identity=store.service.identity)
    other = open_store("postgres", service=service)
    other.keep()
    with other.probe.client.cursor() as cursor:
        cursor.execute("SELECT current_schema(), current_setting('statement_timeout')")
        assert cursor.fetchall() == [(other.namespace.name, "5s")]
    assert len(other.probe.stored()) == 1


def test_a_server_says_what_it_is(get_service: Any) -> None:
    identity = identify(get_service("postgres").url, 5)
    assert identity.product == "PostgreSQL"
    assert identity.version.replace(".", "").isdecimal()


def test_a_port_on_which_nobody_listens_is_not_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NotReady, match="refused"):
            identify(f"postgresql://u:p@127.0.0.1:{taken.getsockname()[1]}/d", 1)


def test_a_wrong_password_is_refused(get_service: Any) -> None:
    with pytest.raises(Refused, match="password authentication failed"):
        identify(_with_user(get_service("postgres"), "celery", "wrong"), 5)


def test_a_missing_database_is_refused_with_the_command_that_makes_it(get_service: Any) -> None:
    service = get_service("postgres")
    password = urlsplit(service.url).password or ""
    with pytest.raises(Refused, match='"nowhere" does not exist') as caught:
        identify(_with_user(service, "celery", password, "nowhere"), 5)
    assert caught.value.remedy == "createdb nowhere"


@pytest.mark.parametrize("name", ["postgres", "sqlite"])
def test_rows_are_pickles_where_the_spec_says_that_serializers_are_ignored(
    name: str, open_store: Any
) -> None:
    store = open_store(name, result_serializer="json")
    store.keep()
    is_pickle = store.probe.stored()[0].raw.startswith(b"\x80")
    assert is_pickle != bool(store.spec.verdict(Capability.SERIALIZERS))
