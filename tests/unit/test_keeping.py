"""What is printed of servers that are left running."""

from __future__ import annotations

import pytest

from pytest_celery_backends.keeping import how_to_reach, how_to_reach_all
from pytest_celery_backends.provider_kinds import ProviderKind
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.sources import Identity
from pytest_celery_backends.spec import Service


def _service(backend: str, url: str, handle: dict[str, str], provider: ProviderKind = "local") -> Service:
    identity = Identity(product="x", version="8")
    return Service(backend=backend, provider=provider, url=url, identity=identity, handle=handle)


@pytest.mark.parametrize(
    ("handle", "stop"),
    [
        ({"container": "0123456789abcdef"}, "docker rm --force 0123456789ab"),
        ({"pid": "42", "directory": "/run/x"}, "kill -9 -42; rm -r /run/x"),
        ({"directory": "/run/x"}, "rm -r /run/x"),
    ],
)
def test_a_kept_service_is_told_with_how_to_reach_and_stop_it(handle: dict[str, str], stop: str) -> None:
    service = _service("redis", "redis://:pw@127.0.0.1:1/0", handle)
    assert how_to_reach(service) == f"redis: redis://:pw@127.0.0.1:1/0  (stop it: {stop})"


def test_the_client_of_each_server_is_told_with_its_password() -> None:
    redis = _service("redis", "redis://:pw@127.0.0.1:1/0", {"container": "0123456789abcdef"})
    postgres = _service(
        "postgres",
        "postgresql://celery:pw@127.0.0.1:2/postgres",
        {"pid": "42", "directory": "/run/x/postgres-1"},
    )
    assert how_to_reach_all([redis, postgres], Registry()) == [
        "redis: redis://:pw@127.0.0.1:1/0  (look into it: redis-cli -u 'redis://default:pw@127.0.0.1:1/0')"
        "  (stop it: docker rm --force 0123456789ab)",
        "postgres: postgresql://celery:pw@127.0.0.1:2/postgres"
        "  (look into it: psql postgresql://celery:pw@127.0.0.1:2/postgres)"
        "  (stop it: kill -9 -42; rm -r /run/x/postgres-1)",
        "the run's directory: /run/x  (once they are stopped: rm -r /run/x)",
    ]


def test_a_server_that_is_not_ours_is_not_told_of() -> None:
    theirs = _service("redis", "redis://:pw@127.0.0.1:1/0", {}, provider="external")
    assert how_to_reach_all([theirs], Registry()) == []
