"""How large a result may be, where that is less than anybody sends."""

from __future__ import annotations

import pytest

from pytest_celery_backends import ResultBackend
from pytest_celery_backends.celery_release import celery_release

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
    assert limit.beyond.rejected_at == "store"
    # Celery waits for memcached's answer since 5.7; before, nobody hears that nothing was stored
    is_heard = celery_release() >= (5, 7)
    assert limit.beyond.is_lost == (not is_heard)
    assert ("too large" if is_heard else "the store holds nothing") in limit.beyond.error
