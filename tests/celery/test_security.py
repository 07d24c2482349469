"""Content that an app must not load, and apps that load it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from typing import Any

import pytest
from backend_names import EVERY
from celery import Celery
from kombu.serialization import registry
from messages import said

from pytest_celery_backends import ResultBackend

#: Up to Celery 5.6 each row holds a pickle, whatever the settings say; 5.7 takes what begins like one for a row from
#: before (celery/backends/database/__init__.py). Django pickles what it caches.
LOADS_PICKLE = ("postgres", "mysql", "mariadb", "sqlite", "django-cache")
KEY_VALUE = ("redis", "filesystem", "memory")


@pytest.mark.backends(*EVERY)
def test_pickle_in_the_store(result_backend: ResultBackend) -> None:
    if result_backend.name in LOADS_PICKLE:
        with pytest.raises(AssertionError) as caught:
            result_backend.assert_refuses_content("pickle")
        text = re.sub(r"\(?\[?'json'.*", "json", said(caught, result_backend))
        assert text == (
            "<backend> loads pickle from its store\n"
            "  observed: code in it ran\n"
            "  result_serializer: json\n"
            "  result_accept_content: None\n"
            "  accept_content: json"
        )
    else:
        result_backend.assert_refuses_content("pickle")


@pytest.mark.backends("redis", "rpc-memory")
def test_who_waits_afterwards_is_not_sent_what_was_refused(add: Any, result_backend: ResultBackend) -> None:
    result_backend.assert_refuses_content("pickle")
    assert [add.delay(number, number).get(timeout=5) for number in range(3)] == [0, 2, 4]


@pytest.mark.backends(*KEY_VALUE, "rpc-memory", "rpc")
@pytest.mark.parametrize("content", ["yaml", "application/x-python-serialize"])
def test_other_content_in_the_store(result_backend: ResultBackend, content: str) -> None:
    if content == "yaml":
        pytest.importorskip("yaml")
    result_backend.assert_refuses_content(content)


@pytest.mark.backends(*KEY_VALUE, "rpc-memory", "rpc")
@pytest.mark.celery(result_serializer="pickle", accept_content=["json", "pickle"])
def test_who_reads_pickle_loads_it(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError, match="loads pickle from its store\n  observed: code in it ran"):
        result_backend.assert_refuses_content("pickle")


@pytest.mark.backends("rpc-memory", "rpc")
@pytest.mark.celery(accept_content=["json", "pickle"])
def test_a_message_says_of_itself_what_it_is(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError, match="loads pickle from its store\n  observed: code in it ran"):
        result_backend.assert_refuses_content("pickle")


@pytest.mark.backends("rpc-memory", "rpc")
@pytest.mark.celery(accept_content=["json", "pickle"], result_accept_content=["json"])
def test_results_have_a_list_of_their_own(result_backend: ResultBackend) -> None:
    result_backend.assert_refuses_content("pickle")


@pytest.mark.backends(*KEY_VALUE)
@pytest.mark.celery(accept_content=["json", "pickle"])
def test_who_reads_json_takes_everything_for_json(result_backend: ResultBackend) -> None:
    """A key-value store keeps no content type."""
    result_backend.assert_refuses_content("pickle")


@pytest.mark.backends("redis-accepts-all")
def test_a_backend_that_asks_nobody(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError, match="loads pickle from its store\n  observed: code in it ran"):
        result_backend.assert_refuses_content("pickle")


@pytest.mark.backends("redis", "filesystem")
@pytest.mark.celery(result_serializer="pickle", accept_content=["json"])
def test_who_cannot_read_its_own_proves_nothing(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_refuses_content("pickle")
    lines = said(caught, result_backend).splitlines()
    assert lines[:2] == [
        "it cannot be told whether <backend> loads pickle from its store",
        "  planted: pickle, which it should take",
    ]
    assert lines[2].startswith("  observed: ContentDisallowed: ")


@pytest.mark.backends("memory", "redis", "rpc-memory", "rpc")
def test_pickle_in_the_queues(result_backend: ResultBackend) -> None:
    result_backend.assert_refuses_content("pickle", of="tasks")
    result_backend.assert_refuses_content("pickle", of="tasks")


@pytest.mark.backends("memory", "rpc")
@pytest.mark.celery(accept_content=["json", "pickle"])
def test_a_worker_that_takes_pickle(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_refuses_content("pickle", of="tasks")
    assert said(caught, result_backend) == (
        "<backend> loads pickle from its queues\n"
        "  observed: code in it ran\n"
        "  task_serializer: 'json'\n"
        "  accept_content: ['json', 'pickle']"
    )


@pytest.mark.backends("memory")
@pytest.mark.celery(accept_content=["json", "yaml"])
def test_a_worker_that_takes_values_of_another_type(
    result_backend: ResultBackend, result_app: Celery
) -> None:
    pytest.importorskip("yaml")
    with pytest.raises(AssertionError, match="loads yaml from its queues\n  observed: the task ran"):
        result_backend.assert_refuses_content("yaml", of="tasks")


@pytest.mark.backends("memory")
def test_nothing_is_left_of_an_attack(result_backend: ResultBackend, result_app: Celery) -> None:
    result_backend.assert_refuses_content("pickle")
    result_backend.assert_refuses_content("pickle", of="tasks")
    result_backend.assert_no_leftovers()


@pytest.mark.backends("memory")
@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda backend: backend.assert_refuses_content("pickel"),
            "no serializer is called 'pickel': did you mean 'pickle'?",
        ),
        (lambda backend: backend.assert_refuses_content("pickle", of="queues"), 'type: of="results"'),
        pytest.param(
            lambda backend: backend.assert_refuses_content("msgpack"),
            "the serializer 'msgpack' needs a package that is not installed\n  type: pip install 'celery[msgpack]'",
            marks=pytest.mark.skipif(
                importlib.util.find_spec("msgpack") is not None, reason="msgpack is installed"
            ),
        ),
    ],
    ids=["misspelt", "of", "missing"],
)
def test_mistakes_are_told_in_words(result_backend: ResultBackend, ask: Any, message: str) -> None:
    with pytest.raises((AssertionError, ValueError), match=re.escape(message)):
        ask(result_backend)


@pytest.fixture
def a_serializer_of_nothing() -> Iterator[str]:
    """One that an app may accept, and that takes no payload."""

    def dumps(value: Any) -> bytes:
        if value:
            raise TypeError("flat")
        return b""

    registry.register("flat", dumps, lambda raw: {}, content_type="application/x-flat")
    yield "flat"
    registry.unregister("flat")


@pytest.mark.backends("memory")
@pytest.mark.parametrize("where", ["results", "tasks"])
def test_what_was_never_planted_was_not_refused(
    a_serializer_of_nothing: str, result_backend: ResultBackend, result_app: Celery, where: Any
) -> None:
    result_app.conf.accept_content = result_app.conf.result_accept_content = ["json", "flat"]
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_refuses_content(a_serializer_of_nothing, of=where)
    assert str(caught.value) == (
        "it cannot be told whether flat is refused\n"
        "  planted: nothing: the serializer carries neither code nor {'planted': '...'}"
    )
