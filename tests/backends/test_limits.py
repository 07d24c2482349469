"""How large a result may be, where that is less than anybody sends."""

from __future__ import annotations

import pytest

from pytest_celery_backends import ResultBackend

#: Seconds; a database is asked again and again for what its column does not take.
LIMIT = 30


@pytest.mark.backends("mysql", "mariadb")
def test_a_blob_ends_at_64_kb(result_backend: ResultBackend) -> None:
    """Celery makes the column of results a BLOB there; in strict mode, which is the default, nothing is cut off."""
    assert result_backend.round_trip("x" * 65_000, timeout=LIMIT).outcome == "same"
    trip = result_backend.round_trip("x" * 66_000, timeout=LIMIT)
    assert (trip.outcome, trip.rejected_at) == ("rejected", "store")
    assert "Data too long" in trip.error or "BackendStoreError" in trip.error


@pytest.mark.backends("memcached")
def test_an_item_of_memcached_ends_at_1_mb(result_backend: ResultBackend) -> None:
    limit = result_backend.size_limit()
    assert 1_000_000 < limit.size < 1024**2
    assert limit.beyond is not None
    assert (limit.beyond.rejected_at, limit.beyond.is_lost) == ("store", False)
    assert "too large" in limit.beyond.error
