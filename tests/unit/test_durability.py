"""A private database waits for no disk: nothing in it has to outlive the machine, and waiting is most of its time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_celery_backends.options import resolve
from pytest_celery_backends.run import Run
from pytest_celery_backends.selection import Choice
from pytest_celery_backends.spec import Namespace, ProbeContext, Service


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[tuple[Run, Service]]:
    """A server of its own, ``<backend>-<provider>``."""
    backend, provider = request.param.split("-")
    run = Run(resolve({"celery_backends_provider": [provider]}, {}, {}), lambda registry: None)
    try:
        if error := run.plan(Choice(name=backend)).error:
            pytest.skip(error.cause)
        yield run, run.service(Choice(name=backend))
    finally:
        run.close()


def told(server: tuple[Run, Service], question: str) -> str:
    """What a server answers to a question with one answer."""
    run, service = server
    context = ProbeContext(
        service=service, namespace=Namespace(name="pcb_1"), decode=lambda raw: {}, lifetime=None
    )
    probe = run.registry.get(service.backend).probe(context)
    probe.create()
    cursor = probe.client.cursor()
    cursor.execute(question)
    (answer,) = cursor.fetchone()
    probe.drop()
    return str(answer)


@pytest.mark.parametrize("server", ["postgres-local", "postgres-embedded"], indirect=True)
@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_postgres_waits_for_no_disk(server: tuple[Run, Service], setting: str) -> None:
    assert told(server, f"SHOW {setting}") == "off"


@pytest.mark.parametrize("server", ["mariadb-local", "mysql-local"], indirect=True)
def test_mariadb_and_mysql_leave_each_commit_to_the_system(server: tuple[Run, Service]) -> None:
    assert told(server, "SELECT @@innodb_flush_log_at_trx_commit") == "2"


@pytest.mark.parametrize("server", ["mariadb-local", "mysql-local"], indirect=True)
def test_mariadb_and_mysql_never_flush_what_they_wrote(server: tuple[Run, Service]) -> None:
    identity = server[1].identity
    if identity.product == "MariaDB" and int(identity.version.split(".")[0]) > 10:
        pytest.skip("MariaDB has other settings for this since 11")
    assert told(server, "SELECT @@innodb_flush_method") == "nosync"
