"""The script in a bundle: what is taken over, and what is not."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from celery.exceptions import TaskRevokedError

from pytest_celery_backends import Registry, Service
from pytest_celery_backends.reporting.literals import Literals, NotWritable
from pytest_celery_backends.reporting.script import script
from pytest_celery_backends.reporting.servers import Start, start_of
from pytest_celery_backends.sources import Identity


def written(**settings: Any) -> str:
    return script("5.7.0", Start(url="'redis://h/0'"), settings, [])


class OutOfStock(LookupError):
    """The user's own error."""


def test_settings_of_results_are_taken_over_and_those_of_tasks_are_not() -> None:
    of_tasks = {"task_routes": {"a": "b"}, "broker_url": "memory://", "result_backend": "x"}
    text = written(result_expires=60, result_backend_max_retries=3, **of_tasks)
    assert "    result_expires=60," in text
    assert "    result_backend_max_retries=3," in text
    assert not any(name in text for name in ("task_routes", "broker_url", "result_backend="))


def test_no_secret_is_taken_over() -> None:
    text = written(
        redis_password="s3cret",
        database_engine_options={"connect_args": {"password": "s3cret"}},
        timezone="UTC",
    )
    assert "s3cret" not in text
    assert "timezone='UTC'" in text


def test_the_options_of_the_transport_are_taken_over_and_a_password_in_them_is_masked() -> None:
    text = written(
        result_backend_transport_options={
            "global_keyprefix": "shop:",
            "sentinel_kwargs": {"password": "s3cret", "url": "redis://:s3cret@h/0"},
        }
    )
    assert (
        "    result_backend_transport_options={'global_keyprefix': 'shop:', "
        "'sentinel_kwargs': {'password': '***', 'url': 'redis://:***@h/0'}}," in text
    )
    compile(text, "reproduce.py", "exec")


def test_the_options_of_a_transport_are_those_of_the_test_and_not_of_the_server_that_is_started() -> None:
    options = "result_backend_transport_options"
    start = Start(
        url="'redis://h/0'", settings={options: {"global_keyprefix": "reproduce:"}, "redis_db": None}
    )
    text = script("5.7.0", start, {options: {"result_chord_ordered": False}, "redis_db": 3}, [])
    assert f"    redis_db=None,\n    {options}={{'result_chord_ordered': False}},\n" in text


def test_a_script_without_settings_is_one_too() -> None:
    compile(written(), "reproduce.py", "exec")


@pytest.mark.parametrize(
    ("value", "text"), [(object(), "a value of type object"), ({1: ...}, "a value of type ellipsis")]
)
def test_what_has_no_source_is_said(value: Any, text: str) -> None:
    with pytest.raises(NotWritable, match=text):
        Literals().source(value)


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        [set(), frozenset({"a"}), (1,), b"x"],
        datetime(2026, 1, 2, 3, tzinfo=timezone.utc),
        {
            "day": date(2026, 1, 2),
            "long": timedelta(days=1),
            "at": datetime(2026, 1, 2, tzinfo=ZoneInfo("Europe/Rome")),
        },
        [Decimal("1.50"), UUID(int=7)],
        float("inf"),
    ],
    ids=repr,
)
def test_values_of_common_types_come_back_from_source(value: Any) -> None:
    literals = Literals()
    text = literals.source(value)
    names: dict[str, Any] = {}
    exec("\n".join(literals.imports), names)
    assert eval(text, names) == value


def test_exceptions_are_imported_or_stood_for() -> None:
    literals = Literals()
    assert literals.source(TaskRevokedError("expired")) == "TaskRevokedError('expired')"
    assert literals.source([OutOfStock("none", 3)]) == "[OutOfStock('none', 3)]"
    assert literals.imports == ["from celery.exceptions import TaskRevokedError"]
    assert literals.classes == [
        f"class OutOfStock(LookupError):\n    pass  # stands for {__name__}.OutOfStock"
    ]


@pytest.mark.parametrize(
    ("name", "url", "command"),
    [
        ("redis", "'redis://:reproduce@127.0.0.1:6379/0'", "docker run --rm -p 6379:6379 redis:7.2"),
        (
            "postgres",
            "'db+postgresql+psycopg2://celery:reproduce@127.0.0.1:5432/celery'",
            "docker run --rm -p 5432:5432 -e POSTGRES_USER=celery -e POSTGRES_PASSWORD=reproduce",
        ),
        (
            "mariadb",
            "'db+mysql+pymysql://root:reproduce@127.0.0.1:3306/reproduce'",
            "docker run --rm -p 3306:3306 -e ",
        ),
        ("sqlite", '"db+sqlite:///" + tempfile.mkdtemp() + "/results.db"', ""),
        ("filesystem", '"file://" + tempfile.mkdtemp()', ""),
        ("memory", "'cache+memory://'", ""),
        ("s3", 'sys.exit("set RESULT_BACKEND to the URL of a server")', ""),
    ],
)
def test_a_script_gets_a_store_of_its_own(name: str, url: str, command: str) -> None:
    spec = Registry().get(name)
    handle = {"image": "redis:7.2"} if name == "redis" else {}
    identity = Identity(product=spec.title, version="1")
    service = Service(
        backend=name, provider="container", url="x://:secret@gone:1", identity=identity, handle=handle
    )
    start = start_of(spec, service, "cache+memory://")
    assert start.url == url
    assert start.command.startswith(command)
    assert "secret" not in repr(start)
