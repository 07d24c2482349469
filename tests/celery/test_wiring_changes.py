"""What a test does to the app's settings, signals and schedule has an effect inside and none afterwards."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery

from pytest_celery_backends.wiring import Wiring, rewired

pytestmark = pytest.mark.usefixtures("only_local_connections")

SETTINGS = {
    "broker_url": "memory://localhost",
    "result_backend": "cache+memory://",
    "task_soft_time_limit": 5,
}
PRODUCTION = "redis://production.invalid:6379/2"
Change = Callable[[Any], object]


def _assign(app: Any) -> None:
    app.conf.task_serializer = "pickle"
    app.conf.task_soft_time_limit = 6
    app.conf.result_backend = PRODUCTION


def _update(app: Any) -> None:
    app.conf.update({"task_serializer": "pickle"}, task_soft_time_limit=6, broker_url=PRODUCTION)


def _assign_items(app: Any) -> None:
    app.conf["task_serializer"] = "pickle"
    app.conf["CELERY_TASK_SERIALIZER"] = "yaml"
    app.conf["CELERYD_TASK_SOFT_TIME_LIMIT"] = 6
    app.conf["BROKER_URL"] = PRODUCTION


def _delete(app: Any) -> None:
    app.conf.task_soft_time_limit = 6
    app.conf.pop("task_soft_time_limit")
    app.conf.pop("result_backend")
    del app.conf["broker_url"]


def _clear(app: Any) -> None:
    app.conf.worker_concurrency = 3
    app.conf.clear()


def _set_default(app: Any) -> None:
    app.conf.setdefault("of_our_own", []).append(1) if app.conf.setdefault("of_our_own", []) else None
    app.conf.changes.setdefault("task_serializer", "pickle")


def _change_containers(app: Any) -> None:
    app.conf.task_routes["shop.ship"] = {"queue": "other"}
    app.conf.task_routes["shop.add"]["queue"] = "other"
    app.conf.beat_schedule["nightly"]["args"] += ["more"]
    app.conf.accept_content.append("pickle")
    app.conf.of_our_own.add("b")
    del app.conf.imports[:]


def _change_defaults(app: Any) -> None:
    app.conf.task_publish_retry_policy["max_retries"] = 99
    app.conf.result_backend_transport_options["retry_policy"] = {}
    app.conf.cache_backend_options["binary"] = True


def _add_defaults(app: Any) -> None:
    app.add_defaults({"broker_url": PRODUCTION, "task_soft_time_limit": 6, "of_our_own": "default"})


def _configure_from_object(app: Any) -> None:
    app.config_from_object(
        {"broker_url": PRODUCTION, "result_backend": PRODUCTION, "task_serializer": "yaml"}
    )


def _configure_by_force_with_namespace(app: Any) -> None:
    source = {
        "OTHER_BROKER_URL": PRODUCTION,
        "OTHER_RESULT_BACKEND": PRODUCTION,
        "OTHER_TIMEZONE": "Asia/Tokyo",
    }
    app.config_from_object(source, namespace="OTHER", force=True)


def _add_periodic_task(app: Any) -> None:
    app.add_periodic_task(10.0, app.tasks["shop.add"].s(1, 2), name="often")


def _connect_signals(app: Any) -> None:
    def receiver(**_: Any) -> None:
        raise AssertionError

    for name in ("on_configure", "on_after_configure", "on_after_finalize", "on_after_fork"):
        getattr(app, name).connect(receiver, weak=False)


def _set_attributes(app: Any) -> None:
    app.of_our_own = 1
    app.main = "other"
    app.user_options["worker"].add(print)
    app.steps["consumer"].add(object)
    app.loader.override_backends = {"redis": "celery.backends.cache:CacheBackend"}
    app.loader.task_modules.add("other")


def _close(app: Any) -> None:
    app.close()


def _replace_the_conf(app: Any) -> None:
    app.conf = Celery(set_as_current=False).conf


CHANGES = [
    *(_assign, _update, _assign_items, _delete, _clear, _set_default, _change_containers, _change_defaults),
    *(_add_defaults, _configure_from_object, _configure_by_force_with_namespace, _add_periodic_task),
    *(_connect_signals, _set_attributes, _close, _replace_the_conf),
]
HARMLESS = {_connect_signals, _set_attributes, _close}


@pytest.fixture(params=CHANGES, ids=lambda change: str(change.__name__).strip("_"))
def change(request: pytest.FixtureRequest) -> Any:
    """Something that a test does to its app."""
    return request.param


@pytest.fixture(params=["plain", "namespaced module"])
def configured(shop: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The shop, with containers of each kind among its settings."""
    settings = {
        "task_routes": {"shop.add": {"queue": "shop"}},
        "beat_schedule": {"nightly": {"task": "shop.add", "schedule": 3600.0, "args": [1]}},
        "accept_content": ["json"],
        "of_our_own": {"a"},
        "imports": ["string"],
    }
    if request.param == "plain":
        shop.conf.update(settings)
    else:
        module = types.ModuleType("settings_of_the_shop")
        vars(module).update({f"CELERY_{name.upper()}": value for name, value in settings.items()})
        module.CELERY_BROKER_URL = PRODUCTION  # type: ignore[attr-defined]
        module.CELERY_TASK_SERIALIZER = "json"  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        shop.config_from_object(module.__name__, namespace="CELERY")
    shop.conf.finalize()
    return shop


def test_nothing_is_left_of_a_change(
    configured: Any, change: Change, snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    before = snapshot(configured)
    with rewired(configured, SETTINGS):
        change(configured)
        configured.tasks["shop.add"].apply((1, 2))
    assert snapshot(configured) == before


@pytest.mark.parametrize("change", [each for each in CHANGES if each is not _replace_the_conf])
def test_no_change_leads_to_production(configured: Any, change: Change) -> None:
    with rewired(configured, SETTINGS):
        change(configured)
        conf = configured.conf
        urls = {conf.broker_url, conf["broker_url"], conf.BROKER_URL, conf.broker_write_url}
        assert urls == {"memory://localhost"}
        assert {conf.result_backend, conf.CELERY_RESULT_BACKEND} == {"cache+memory://"}
        assert configured.connection_for_write().transport_cls == "memory"
        configured.tasks["shop.add"].delay(1, 2)


def test_a_wiring_says_whether_the_test_changed_settings(configured: Any, change: Change) -> None:
    wiring = Wiring(configured, SETTINGS)
    wiring.activate()
    change(configured)
    wiring.deactivate()
    assert wiring.has_changes is (change not in HARMLESS)
    wiring.close()


def test_a_worker_and_a_backend_change_nothing_by_being_made(configured: Any) -> None:
    def adapt(backend: Any) -> None:
        backend.app.conf.of_a_url = "bucket"

    wiring = Wiring(configured, SETTINGS, adapt)
    wiring.activate()
    configured.WorkController(pool="solo", hostname="worker@here", loglevel="WARNING")
    assert configured.backend
    assert configured.conf.of_a_url == "bucket"
    wiring.deactivate()
    assert not wiring.has_changes
    wiring.close()


def test_what_was_built_under_changed_settings_is_not_used_again(shop: Any) -> None:
    wiring = Wiring(shop, SETTINGS)
    wiring.activate()
    shop.conf.result_expires = 5
    assert shop.backend.expires == 5
    wiring.deactivate()
    wiring.activate()
    assert shop.backend.expires == 24 * 3600
    wiring.deactivate()
    assert not wiring.has_changes
    wiring.close()


def test_what_was_built_before_settings_changed_outside_is_not_used_again(shop: Any) -> None:
    wiring = Wiring(shop, SETTINGS)
    wiring.activate()
    assert shop.backend.expires == 24 * 3600
    wiring.deactivate()
    assert not wiring.has_changes
    shop.conf.result_expires = 5
    assert wiring.has_changes
    wiring.activate()
    assert shop.backend.expires == 5
    wiring.deactivate()
    shop.config_from_object({"result_expires": 6}, force=True)
    assert wiring.has_changes
    wiring.activate()
    assert shop.backend.expires == 6
    wiring.close()


@pytest.mark.parametrize("key", ["task_soft_time_limit", "CELERYD_TASK_SOFT_TIME_LIMIT"])
def test_what_a_test_assigns_is_in_force_inside(configured: Any, key: str) -> None:
    with rewired(configured, SETTINGS):
        configured.conf[key] = 7
        assert configured.conf.task_soft_time_limit == 7
        assert configured.conf["CELERYD_TASK_SOFT_TIME_LIMIT"] == 7


def test_what_a_test_assigns_with_the_namespace_is_in_force_inside(configured: Any) -> None:
    with rewired(configured, {**SETTINGS, "task_serializer": "yaml"}):
        assert configured.conf.task_serializer == "yaml"
        configured.conf.task_serializer = "pickle"
        assert configured.conf["CELERY_TASK_SERIALIZER"] == "pickle"


def test_eager_mode_can_be_switched_on_inside(shop: Any) -> None:
    with rewired(shop, SETTINGS):
        shop.conf.task_always_eager = True
        assert shop.tasks["shop.add"].delay(1, 2).get() == 3


def test_a_configuration_read_inside_is_in_force_but_for_the_servers(shop: Any) -> None:
    seen: list[str] = []

    def note(sender: Any, **_: Any) -> None:
        seen.append(sender.conf.broker_url)

    with rewired(shop, SETTINGS):
        shop.on_after_configure.connect(note, weak=False)
        _configure_from_object(shop)
        assert shop.conf.task_serializer == "yaml"
        assert shop.conf.task_soft_time_limit == 5
    assert seen == ["memory://localhost"]
    assert shop.conf.task_serializer == "json"


def test_a_variable_set_after_reading_the_configuration_inside_does_not_win(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rewired(shop, SETTINGS):
        _configure_from_object(shop)
        monkeypatch.setenv("CELERY_BROKER_URL", PRODUCTION)
        assert shop.conf.broker_url == "memory://localhost"


def test_a_periodic_task_added_inside_is_in_the_schedule_inside(shop: Any) -> None:
    with rewired(shop, SETTINGS):
        _add_periodic_task(shop)
        assert list(shop.conf.beat_schedule) == ["often"]
    assert list(shop.conf.beat_schedule) == []


def test_routes_updated_inside_reach_the_router(shop: Any) -> None:
    with rewired(shop, SETTINGS):
        shop.amqp.router.route({}, "shop.add")
        shop.conf.update(task_routes={"shop.add": {"queue": "other"}})
        assert shop.amqp.router.route({}, "shop.add")["queue"].name == "other"
    assert shop.conf.task_routes is None


def test_routes_updated_under_a_wiring_that_is_used_again_reach_its_router(shop: Any) -> None:
    wiring = Wiring(shop, SETTINGS)
    wiring.activate()
    amqp = shop.amqp
    wiring.deactivate()
    wiring.activate()
    shop.conf.update(task_routes={"shop.add": {"queue": "other"}})
    assert shop.amqp is amqp
    assert shop.amqp.router.route({}, "shop.add")["queue"].name == "other"
    wiring.close()
