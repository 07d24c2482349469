"""Checks that are about another backend, or another Celery, say so: they are unsupported, and not skipped."""

from __future__ import annotations

import pytest
from celery import Celery

from pytest_celery_backends import ResultBackend, Unsupported
from pytest_celery_backends.celery_release import celery_release
from pytest_celery_backends.conformance.concerned import DATABASE, KEYS, REDIS, only_on, only_since
from pytest_celery_backends.conformance.redis_settings import by_name
from pytest_celery_backends.conformance.relay import relayed


@pytest.fixture
def memory() -> Celery:
    return Celery(backend="cache+memory://", set_as_current=False)


def test_a_check_is_about_backends_of_a_class_and_what_is_derived_from_it(memory: Celery) -> None:
    assert only_on(memory, KEYS) is memory.backend


def test_a_check_that_is_about_another_class_names_it(memory: Celery) -> None:
    with pytest.raises(Unsupported) as caught:
        only_on(memory, DATABASE)
    assert caught.value.cause == "concerns DatabaseBackend alone"


def test_a_check_that_is_about_several_other_classes_names_them(memory: Celery) -> None:
    with pytest.raises(Unsupported) as caught:
        only_on(memory, REDIS, DATABASE)
    assert caught.value.cause == "concerns RedisBackend and DatabaseBackend alone"


def test_a_check_that_is_about_a_later_celery_names_its_release() -> None:
    only_since(*celery_release())
    with pytest.raises(Unsupported) as caught:
        only_since(99, 1)
    assert caught.value.cause == "comes with Celery 99.1"


@pytest.mark.backends("sqlite")
def test_a_check_that_needs_a_server_on_one_port_says_so(result_backend: ResultBackend) -> None:
    with pytest.raises(Unsupported) as caught, relayed(result_backend):
        pytest.fail("there is none")
    assert caught.value.cause == "its URL names no server, or several"
    with pytest.raises(Unsupported) as caught:
        by_name(result_backend)
    assert caught.value.cause == "its server is not one that host, port and password lead to"
