"""A private server listens on the loopback device, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from witness import PROC, addresses, groups, is_loopback, processes

from pytest_celery_backends import Registry
from pytest_celery_backends.options import resolve
from pytest_celery_backends.run import Run
from pytest_celery_backends.selection import Choice
from pytest_celery_backends.sources import Embedded, Local

#: Containers are looked at in test_providers_container.py, and all pairs in tests/backends/every_provider.py.
PAIRS = [
    (name, source.kind)
    for name in Registry().names
    for source in Registry().get(name).sources
    if isinstance(source, Local | Embedded)
]

pytestmark = pytest.mark.skipif(not PROC.exists(), reason="the system does not tell who listens")


@pytest.fixture(params=PAIRS, ids="-".join)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """A run whose only server is up."""
    backend, provider = request.param
    run = Run(resolve({"celery_backends_provider": [provider]}, {}, {}), lambda registry: None)
    try:
        if error := run.plan(Choice(name=backend)).error:
            pytest.skip(error.cause)
        run.service(Choice(name=backend))
        yield run
    finally:
        run.close()


def test_a_private_server_listens_where_only_this_machine_can_reach_it(run: Run) -> None:
    directory = run.directory.path
    hosts = addresses(processes(directory, groups(directory)))
    assert hosts, f"no socket of {sorted(directory.iterdir())} was seen"
    assert [host for host in hosts if not is_loopback(host)] == []
