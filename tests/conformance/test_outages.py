"""By which errors a backend tells of a server that cannot be reached, and what is none of them."""

from __future__ import annotations

import threading

import pytest
from celery import Celery
from celery.backends.cache import CacheBackend
from celery.exceptions import BackendGetMetaError
from kombu.exceptions import OperationalError

import pytest_celery_backends.conformance.connection_loss as connection_loss
from pytest_celery_backends.conformance.connection_loss import is_of_outage, not_of_outage, outcome_of

MEMORY = Celery(backend="cache+memory://", set_as_current=False)
TAKES = (
    "\n  takes: builtins.OSError, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, "
    "sqlalchemy.exc.InterfaceError, sqlalchemy.exc.OperationalError, pymongo.errors.ConnectionFailure, "
    "pymemcache.exceptions.MemcacheUnexpectedCloseError, kombu.exceptions.OperationalError, "
    "celery.exceptions.BackendError, or what is safe to retry"
)


@pytest.mark.parametrize("error", [ConnectionResetError(), OperationalError(), BackendGetMetaError("gone")])
def test_an_error_of_a_connection_is_of_an_outage(error: Exception) -> None:
    assert is_of_outage(error, MEMORY.backend)


class TriesAgain(CacheBackend):
    """Has a driver that nobody else has, and takes its errors for ones that may pass."""

    def exception_safe_to_retry(self, exc: Exception) -> bool:
        return str(exc) == "busy"


def test_what_a_backend_would_try_again_is_of_an_outage() -> None:
    assert not is_of_outage(RuntimeError("busy"), MEMORY.backend)
    assert is_of_outage(RuntimeError("busy"), TriesAgain(app=MEMORY, url="memory://"))


def test_a_mistake_is_told_as_it_came() -> None:
    outcome = outcome_of(lambda: dict[str, str]()["status"])
    assert not is_of_outage(outcome, MEMORY.backend)
    assert not_of_outage(outcome) == "an outage was told of by KeyError: 'status'" + TAKES


def test_an_answer_is_told_as_it_came() -> None:
    outcome = outcome_of(lambda: {"status": "PENDING"})
    assert not is_of_outage(outcome, MEMORY.backend)
    assert not_of_outage(outcome) == "an outage was told of by the answer {'status': 'PENDING'}" + TAKES


def test_a_call_that_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_loss, "LIMIT", 0.05)
    goes_on = threading.Event()
    outcome = outcome_of(goes_on.wait)
    goes_on.set()
    assert not_of_outage(outcome) == "an outage was told of by neither answer nor error" + TAKES
