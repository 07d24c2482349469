"""Tasks follow the test's settings where they took them from the app's, and nowhere else."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, _state, shared_task
from celery.app.task import Task
from kombu.common import uuid

from pytest_celery_backends.wiring import Wiring, rewired

pytestmark = pytest.mark.usefixtures("only_local_connections")

SETTINGS = {"broker_url": "memory://localhost", "result_backend": "cache+memory://"}
#: A value for each setting that tasks may copy, other than its default.
OTHERS = {
    "task_serializer": "pickle",
    "task_default_rate_limit": "7/s",
    "task_default_priority": 7,
    "task_time_limit": 70,
    "task_soft_time_limit": 60,
    "task_track_started": True,
    "task_acks_late": True,
    "task_acks_on_failure_or_timeout": False,
    "task_acks_on_failure": False,
    "task_acks_on_timeout": False,
    "task_reject_on_worker_lost": True,
    "task_retry_on_worker_lost": True,
    "task_ignore_result": True,
    "task_store_eager_result": True,
    "task_store_errors_even_if_ignored": True,
}


def other(value: int) -> int:
    return value


@pytest.mark.parametrize(("attribute", "setting"), Task.from_config)
def test_a_task_follows_each_setting_it_copied(shop: Any, attribute: str, setting: str) -> None:
    task = shop.tasks["shop.add"]
    original = getattr(task, attribute)
    with rewired(shop, {**SETTINGS, setting: OTHERS[setting]}):
        assert getattr(task, attribute) == OTHERS[setting] != original
    assert getattr(task, attribute) == original


@pytest.mark.filterwarnings("ignore:(?s).*The 'priority' task attribute is deprecated")
@pytest.mark.parametrize(("attribute", "setting"), Task.from_config)
def test_what_was_given_to_a_task_stays_even_where_it_equals_the_setting(
    attribute: str, setting: str
) -> None:
    app = Celery("shop", set_as_current=False)
    given = app.conf[setting] if app.conf[setting] is not None else 3
    app.conf[setting] = given
    task = app.task(name="shop.given", shared=False, **{attribute: given})(other)
    with rewired(app, {**SETTINGS, setting: OTHERS[setting]}):
        assert getattr(task, attribute) == given


@pytest.mark.skipif(not hasattr(Task, "acks_on_failure"), reason="came with Celery 5.7")
def test_a_task_follows_the_setting_that_another_falls_back_to(shop: Any) -> None:
    task = shop.tasks["shop.add"]
    with rewired(shop, {**SETTINGS, "task_acks_on_failure_or_timeout": False, "task_acks_on_timeout": True}):
        assert [task.acks_on_failure, task.acks_on_timeout] == [False, True]
    assert [task.acks_on_failure, task.acks_on_timeout] == [True, True]


def test_the_users_setting_is_followed_where_the_test_says_nothing(shop: Any) -> None:
    app = Celery("shop", set_as_current=False)
    app.conf.task_track_started = True
    task = app.task(name="shop.other", shared=False)(other)
    with rewired(app, SETTINGS):
        assert task.track_started is True


def test_a_class_based_task_and_its_base_follow_as_they_were_written() -> None:
    app = Celery("shop", set_as_current=False)

    class Base(app.Task):  # type: ignore[name-defined]
        acks_late = False

    class Ship(Base):
        name = "shop.ship"

        def run(self) -> None:
            """Nothing."""

    task = app.register_task(Ship())
    with rewired(app, {**SETTINGS, "task_acks_late": True, "task_track_started": True}):
        assert task.acks_late is False
        assert task.track_started is True
    assert task.track_started is False


def test_a_task_assigned_to_later_keeps_what_was_assigned(shop: Any) -> None:
    task = shop.tasks["shop.add"]
    task.rate_limit = "1/h"
    with rewired(shop, {**SETTINGS, "task_default_rate_limit": "7/s"}):
        assert task.rate_limit == "1/h"


def test_an_annotated_task_keeps_the_annotation() -> None:
    app = Celery("shop", set_as_current=False)
    app.conf.task_annotations = {"shop.other": {"rate_limit": "1/h"}}
    task = app.task(name="shop.other", shared=False)(other)
    with rewired(app, {**SETTINGS, "task_default_rate_limit": "7/s"}):
        assert task.rate_limit == "1/h"


def test_polling_for_chords_follows_its_interval(shop: Any) -> None:
    task = shop.tasks["celery.chord_unlock"]
    with rewired(shop, {**SETTINGS, "result_chord_retry_interval": 0.25}):
        assert task.default_retry_delay == 0.25
    assert task.default_retry_delay == 1.0


def test_options_cached_on_a_task_are_those_of_the_wiring(shop: Any) -> None:
    task = shop.tasks["shop.add"]
    assert task._get_exec_options()["serializer"] == "json"
    with rewired(shop, {**SETTINGS, "task_serializer": "pickle"}):
        assert task._get_exec_options()["serializer"] == "pickle"
    assert task._get_exec_options()["serializer"] == "json"


def test_a_tracer_belongs_to_the_wiring_it_was_made_under(shop: Any) -> None:
    task, wiring = shop.tasks["shop.add"], Wiring(shop, SETTINGS)
    wiring.activate()
    task.__trace__ = tracer = object()
    wiring.deactivate()
    assert task.__trace__ is None
    wiring.activate()
    assert task.__trace__ is tracer
    wiring.close()


def test_a_task_with_a_backend_of_its_own_uses_the_tests() -> None:
    app = Celery("shop", broker="redis://production.invalid", set_as_current=False)
    own = Celery("other", backend="redis://production.invalid", set_as_current=False).backend

    class Base(app.Task):  # type: ignore[name-defined]
        backend = own

    given = app.task(name="shop.given", shared=False, backend=own)(other)
    inherited = app.task(name="shop.inherited", shared=False, base=Base)(other)
    assigned = app.task(name="shop.assigned", shared=False)(other)
    assigned.backend = own
    with rewired(app, SETTINGS):
        for task in (given, inherited, assigned):
            assert task.backend is app.backend
            assert task.AsyncResult("1").backend is app.backend
    assert given.backend is own
    assert inherited.backend is own
    assert assigned.backend is own


def test_a_task_applied_inside_stores_in_the_tests_backend(shop: Any) -> None:
    with rewired(shop, {**SETTINGS, "task_store_eager_result": True}):
        task_id = uuid()
        shop.conf.task_always_eager = True
        shop.tasks["shop.add"].apply((1, 2), task_id=task_id)
        assert shop.AsyncResult(task_id).result == 3


def test_what_a_test_sets_on_tasks_is_gone_afterwards(
    shop: Any, snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    before = snapshot(shop)
    with rewired(shop, SETTINGS):
        task = shop.tasks["shop.add"]
        task.max_retries = 0
        type(task).rate_limit = "1/h"
        type(task).of_our_own = 1
        del type(task).acks_late
        shop.Task.time_limit = 3
    assert snapshot(shop) == before


def test_tasks_defined_inside_are_there_inside_and_gone_afterwards(
    shop: Any, snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    bystander = Celery("bystander", set_as_current=False)
    bystander.finalize()
    before = snapshot(shop)
    with rewired(shop, SETTINGS):

        @shop.task(name="test.own")
        def own() -> None:
            """Nothing."""

        @shared_task(name="test.shared")
        def shared() -> None:
            """Nothing."""

        shop.register_task(type("Ship", (Task,), {"name": "shop.of_a_class", "run": other}))
        assert {"test.own", "test.shared", "shop.of_a_class"} <= set(shop.tasks)
        assert "test.shared" in bystander.tasks
        assert shared.delay().id
    assert snapshot(shop) == before
    assert "test.shared" not in bystander.tasks
    assert "test.shared" not in Celery("later", set_as_current=False).tasks


@pytest.mark.filterwarnings("ignore:.*already registered to a different callable")
def test_a_task_replaced_or_removed_inside_is_the_old_one_afterwards(
    shop: Any, snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    before = snapshot(shop)
    with rewired(shop, SETTINGS):
        shop.register_task(type("Add", (Task,), {"name": "shop.add", "run": other}))
        shop.tasks.unregister("shop.ship")
    assert snapshot(shop) == before


def _module(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    name = f"tasks_{directory.name.replace('-', '_')}"
    source = """
        from celery import shared_task
        from celery._state import default_app as app

        @shared_task
        def shared(x): return x

        @app.task(shared=False, acks_late=True)
        def own(x): return x
    """
    (directory / f"{name}.py").write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(str(directory))
    return importlib.import_module(name)


def test_tasks_of_a_module_imported_inside_stay_with_the_users_settings(
    shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finalizers = set(_state._on_app_finalizers)
    with rewired(shop, {**SETTINGS, "task_track_started": True, "task_acks_late": False}):
        module = _module(tmp_path, monkeypatch)
        assert module.own.track_started is True
    later = Celery("later", set_as_current=False)
    assert f"{module.__name__}.shared" in later.tasks
    assert shop.tasks[f"{module.__name__}.own"] is module.own
    assert [module.own.track_started, module.own.acks_late] == [False, True]
    assert shop.tasks[f"{module.__name__}.shared"].track_started is False
    with rewired(shop, {**SETTINGS, "task_track_started": True}):
        assert module.own.track_started is True
        assert module.own.delay(1).id
    _state._on_app_finalizers.intersection_update(finalizers)
    del sys.modules[module.__name__]
