"""What a type checker says of the public names; checked by mypy, never run."""

from __future__ import annotations

from typing_extensions import assert_type

from pytest_celery_backends import (
    Observation,
    ResultBackend,
    ResultService,
    ResultWorker,
    RoundTrip,
    RoundTripTable,
    SizeLimit,
    StoredResult,
    Timeline,
)


def check(backend: ResultBackend, worker: ResultWorker, service: ResultService) -> None:
    """Annotate fixtures with these classes."""
    assert_type(backend.name, str)
    assert_type(backend.stored(), list[StoredResult])
    assert_type(backend.stored()[0].expires_in, float | None)
    assert_type(backend.timeline("id"), Timeline)
    assert_type(backend.timeline("id")[0], Observation)
    assert_type(backend.timeline("id").states, list[str])
    assert_type(backend.wait_for("id", "SUCCESS", timeout=1), Observation)
    assert_type(backend.round_trip({"a": 1}), RoundTrip)
    assert_type(backend.round_trip({"a": 1}, via="meta").difference, str)
    assert_type(backend.assert_compressed(), RoundTrip)
    assert_type(backend.size_limit(), SizeLimit)
    assert_type(backend.round_trip_table({"a": 1}), RoundTripTable)
    assert_type(backend.service, ResultService)
    assert_type(worker.logs, str)
    assert_type(service.version, str)
