"""SQL Server and Oracle, of which there are no servers here: settings, URLs, and what a closed port says."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from typing import Any

import pytest

from pytest_celery_backends.registry import Registry
from pytest_celery_backends.sources import Container, Identity, Place
from pytest_celery_backends.spec import Namespace, NotReady, Service

URLS = {
    "mssql": "mssql://sa:p%40ss@127.0.0.1:PORT/master",
    "oracle": "oracle://system:p%40ss@127.0.0.1:PORT/?service_name=FREEPDB1",
}


def _backend(name: str) -> str:
    service = Service(
        backend=name, provider="external", url=URLS[name], identity=Identity(product="x", version="1")
    )
    settings: Any = Registry().get(name).settings(service, Namespace(name="pcb1"))
    assert settings["database_table_schemas"] == {}
    return str(settings["result_backend"])


def test_each_namespace_has_a_database_or_a_user() -> None:
    assert _backend("mssql") == "db+mssql+pymssql://sa:p%40ss@127.0.0.1:PORT/pcb1"
    expected = "db+oracle+oracledb://system%5Bpcb1%5D:p%40ss@127.0.0.1:PORT/?service_name=FREEPDB1"
    assert _backend("oracle") == expected


@pytest.mark.parametrize("name", URLS)
def test_it_says_that_nobody_ran_it(name: str) -> None:
    spec = Registry().get(name)
    assert spec.not_verified
    assert spec.scheme.startswith(f"db+{name}+")


@pytest.mark.parametrize("name", URLS)
def test_a_container_has_the_password_of_its_url(name: str, tmp_path: Any) -> None:
    source = Registry().get(name).source("container")
    assert isinstance(source, Container)
    place = Place(directory=tmp_path, port=7, password="s3cret")
    assert any(
        "s3cret" in value and value in source.url(place) for value in source.environment(place).values()
    )
    assert list(source.command(place)) == []


@pytest.mark.parametrize("name", URLS)
def test_a_port_on_which_nobody_listens_is_not_ready(name: str) -> None:
    spec = Registry().get(name)
    missing = [driver.distribution for driver in spec.drivers if find_spec(driver.module) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = URLS[name].replace("PORT", str(taken.getsockname()[1]))
        with pytest.raises(NotReady, match=r"(?i)refused"):
            spec.identify(url, 1)
