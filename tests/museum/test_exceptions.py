"""Exceptions of tasks: what was reported of them, each with what is expected, and where it still is not so."""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult
from kombu.exceptions import EncodeError

from pytest_celery_backends import ResultBackend, ResultWorker

differs = pytest.mark.differs
said = pytest.mark.said

#: Seconds for what takes milliseconds.
LIMIT = 5


class Own(Exception):
    """What an application defines."""


class NeedsTwo(Exception):
    """What takes other arguments than it hands on."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")


class Ends(BaseException):
    """What is no ``Exception``."""


@pytest.mark.backends("redis", "sqlite")
@pytest.mark.celery(result_serializer="json")
@said("redis", "sqlite", fixed=(4, 3))
def test_celery_2518_the_type_of_an_exception_is_lost_in_json(
    tasks: Any, result_backend: ResultBackend
) -> None:
    """celery#2518, celery#422, celery#2441: "exceptions must derive from BaseException, not dict"."""
    result_backend.assert_raises_in_task(tasks.refuse.delay("no"), ValueError, match="^no$")


@pytest.mark.backends("redis", "sqlite")
@pytest.mark.celery(result_serializer="json")
@said("redis", "sqlite", fixed=(4, 3))
def test_celery_3586_another_class_of_the_same_name_is_raised(
    result_worker: ResultWorker, result_backend: ResultBackend
) -> None:
    """celery#3586: ``celery.backends.base.CustomError`` in place of the application's own; the report is open."""

    @result_worker.task
    def fail() -> None:
        raise Own("gone", 3)

    result_backend.assert_raises_in_task(fail.delay(), Own, match="gone")


@pytest.mark.backends("redis", "sqlite")
@pytest.mark.celery(result_serializer="json")
@said("redis", "sqlite", fixed=(5, 3))
def test_celery_5712_an_exception_that_cannot_be_made_again_ends_the_reader(
    result_worker: ResultWorker,
) -> None:
    """celery#5712: the class was called with what it does not take, where the result was read."""

    @result_worker.task
    def fail() -> None:
        raise json.JSONDecodeError("no value", "{}", 1)

    found = fail.delay().get(timeout=LIMIT, propagate=False)
    assert isinstance(found, Exception)
    assert "no value" in str(found)


@pytest.mark.backends("redis", "sqlite")
@pytest.mark.celery(result_serializer="json")
@said("redis", "sqlite")
@differs("redis", "sqlite", why="UnpickleableExceptionWrapper, though nothing was to be pickled")
def test_celery_6990_an_exception_of_two_arguments_comes_back_as_another(
    result_worker: ResultWorker,
) -> None:
    """celery#6990, celery#6185: what pickle could not make again is wrapped, whatever the serializer."""

    @result_worker.task
    def fail() -> None:
        raise NeedsTwo(3, "no")

    found = fail.delay().get(timeout=LIMIT, propagate=False)
    assert "NeedsTwo" in f"{type(found).__name__} {found}"
    assert type(found).__name__ != "UnpickleableExceptionWrapper"


@pytest.mark.backends("redis", "sqlite")
@pytest.mark.celery(result_serializer="json")
@said("redis", "sqlite", fixed=(4, 3))
def test_celery_4835_an_exception_that_the_reader_does_not_have_ends_it(
    result_worker: ResultWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """celery#4835, celery#4836: a class that cannot be found is stood for by one of its name."""
    there = types.SimpleNamespace(Gone=type("Gone", (Exception,), {"__module__": "worker_only"}))
    monkeypatch.setitem(sys.modules, "worker_only", there)

    @result_worker.task
    def fail() -> None:
        raise there.Gone("no")

    result = fail.delay()
    result_worker.drain()
    monkeypatch.delitem(sys.modules, "worker_only")
    found = result.get(timeout=LIMIT, propagate=False)
    assert (type(found).__name__, str(found)) == ("Gone", "no")


@pytest.mark.backends("redis", "sqlite")
@pytest.mark.celery(result_serializer="json")
@said("redis", "sqlite", fixed=(4, 3))
def test_celery_4860_an_exception_that_is_no_json_is_never_stored(result_worker: ResultWorker) -> None:
    """celery#4860, celery#4864: the task failed, and nobody was told, for its arguments are no JSON."""

    @result_worker.task
    def fail() -> None:
        raise ValueError(object())

    found = fail.delay().get(timeout=LIMIT, propagate=False)
    assert (type(found), "object object" in str(found)) == (ValueError, True)


@pytest.mark.backends("redis", "sqlite", "memory")
@pytest.mark.celery(result_serializer="json")
@said("redis", "sqlite", "memory", fixed=(5, 7))
@differs(
    "redis",
    "memory",
    until=(5, 7),
    raises=EncodeError,
    why="EncodeError: Object of type Ends is not JSON serializable",
)
def test_celery_10672_what_is_no_exception_is_no_failure(result_app: Celery) -> None:
    """celery#10672: a ``BaseException`` was handed to JSON as it is."""
    result_app.backend.mark_as_failure("t1", Ends("now"))
    found = AsyncResult("t1", app=result_app)
    assert (found.state, type(found.result).__name__, str(found.result)) == ("FAILURE", "Ends", "now")
