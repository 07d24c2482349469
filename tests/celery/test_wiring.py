"""However an app was configured: all ways lead to the test's servers, and afterwards to the user's."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any

import celery.result
import pytest
from celery import Celery, current_app, shared_task
from celery.app.task import Context
from kombu import pools
from kombu.entity import Queue

from pytest_celery_backends.errors import BackendsError
from pytest_celery_backends.wiring import Wiring, rewired

pytestmark = [
    pytest.mark.usefixtures("only_local_connections"),
    # redis-py 8 on what Celery calls
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),
]

BACKEND = "redis://:secret@production.invalid:6379/1"
VARIABLES = (
    "CELERY_BROKER_URL",
    "CELERY_BROKER_READ_URL",
    "CELERY_BROKER_WRITE_URL",
    "CELERY_RESULT_BACKEND",
)


@shared_task(name="library.double")
def double(x: int) -> int:
    return x * 2


def store(app: Any, task_id: str, value: Any) -> None:
    """Store a result as a worker would, which tells the rpc backend where to send it."""
    request = Context(id=task_id, correlation_id=task_id, reply_to=app.thread_oid)
    app.backend.store_result(task_id, value, "SUCCESS", request=request)


def assert_leads_to(app: Any, place: Any) -> None:
    """Every way to the broker and the backend ends at the test's."""
    conf = app.conf
    urls = [conf.broker_url, conf["broker_url"], conf.get("broker_url"), conf.BROKER_URL, conf["BROKER_URL"]]
    assert {*urls, conf.broker_read_url, conf.broker_write_url} == {place.settings["broker_url"]}
    results = [conf.result_backend, conf["result_backend"], conf.get("result_backend")]
    assert {*results, conf.CELERY_RESULT_BACKEND, conf["CELERY_RESULT_BACKEND"]} == {place.url}
    if conf.prefix:
        assert conf[f"{conf.prefix}BROKER_URL"] == place.settings["broker_url"]
        assert conf[f"{conf.prefix}RESULT_BACKEND"] == place.url
    connections = [app.connection(), app.connection_for_read(), app.connection_for_write()]
    connections += [app.pool.connection, app.producer_pool.connections.connection]
    connections += [pools.connections[app.connection_for_write()].connection]
    assert {each.transport_cls for each in connections} == {"memory"}
    assert {each.hostname for each in connections} == {"localhost"}
    assert not any(each.userid or each.password or each.ssl or each.transport_options for each in connections)
    assert app.backend_cls is None
    assert type(app.backend).__name__ == place.backend_class
    assert app.AsyncResult("1").backend is app.backend
    assert celery.result.AsyncResult("1").backend is app.backend
    assert current_app.backend is app.backend
    assert double.app is app
    assert double.backend is app.backend


def test_every_way_leads_to_the_tests_servers(production_app: Any, place_named: Callable[[str], Any]) -> None:
    place = place_named("file")
    with rewired(production_app, place.settings, place.adapt):
        assert_leads_to(production_app, place)


def test_everything_is_back_afterwards(
    production_app: Any, place_named: Callable[[str], Any], snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    place = place_named("memory")
    production_app.finalize()
    production_app.conf.finalize()
    before = snapshot(production_app)
    with rewired(production_app, place.settings, place.adapt):
        assert_leads_to(production_app, place)
        result = double.delay(2)
        store(production_app, result.id, 4)
        assert result.get(timeout=5) == 4
        production_app.control.broadcast("ping")
    assert snapshot(production_app) == before


def test_an_app_that_was_never_used_is_on_production_afterwards(
    production_app: Any, place_named: Callable[[str], Any]
) -> None:
    place = place_named("memory")
    with rewired(production_app, place.settings, place.adapt):
        pass
    assert "production.invalid" in production_app.connection_for_write().as_uri()
    assert production_app.backend.as_uri(include_password=True) == BACKEND


def test_each_backend_stores_and_reads(
    shop: Any, place: Any, snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    before = snapshot(shop)
    with rewired(shop, place.settings, place.adapt):
        assert_leads_to(shop, place)
        result = shop.tasks["shop.add"].delay(1, 2)
        store(shop, result.id, 3)
        assert result.get(timeout=5) == 3
        assert result.state == "SUCCESS"
    assert snapshot(shop) == before


def test_a_message_goes_into_the_tests_broker(shop: Any, place_named: Callable[[str], Any]) -> None:
    with rewired(shop, place_named("memory").settings):
        sent = shop.send_task("shop.add", (1, 2))
        with shop.connection_for_read() as connection:
            message = connection.SimpleQueue("celery").get_nowait()
        assert message.headers["id"] == sent.id


def test_remote_control_goes_through_the_tests_broker(shop: Any, place_named: Callable[[str], Any]) -> None:
    with rewired(shop, place_named("memory").settings), shop.connection_for_read() as connection:
        queue = shop.control.mailbox.get_queue("worker@here")(connection.default_channel)
        queue.declare()
        shop.control.broadcast("pool_restart")
        assert queue.get().payload["method"] == "pool_restart"


def test_eager_apps_send_messages_inside(shop: Any, place_named: Callable[[str], Any]) -> None:
    shop.conf.task_always_eager = True
    with rewired(shop, place_named("memory").settings):
        assert shop.tasks["shop.add"].delay(1, 2).state == "PENDING"
    assert shop.tasks["shop.add"].delay(1, 2).get() == 3


def test_settings_given_in_any_spelling_are_in_force(shop: Any) -> None:
    settings = {
        "BROKER_URL": "memory://localhost",
        "CELERY_RESULT_BACKEND": "cache+memory://",
        "CELERY_TASK_RESULT_EXPIRES": 7,
    }
    with rewired(shop, settings):
        assert shop.conf.result_expires == 7
        assert shop.backend.expires == 7


def test_the_users_other_settings_stay_in_force(shop: Any, place_named: Callable[[str], Any]) -> None:
    shop.conf.update(
        task_routes={"shop.*": {"queue": "shop"}}, result_serializer="pickle", timezone="Asia/Tokyo"
    )
    with rewired(shop, place_named("memory").settings):
        assert shop.backend.serializer == "pickle"
        assert str(shop.timezone) == "Asia/Tokyo"
        shop.tasks["shop.add"].delay(1, 2)
        with shop.connection_for_read() as connection:
            assert connection.SimpleQueue("shop").get_nowait()


def test_the_users_queues_are_not_written_into(
    shop: Any, place_named: Callable[[str], Any], snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    queue = Queue("orders")
    shop.conf.task_queues = [queue]
    before = vars(queue).copy()
    with rewired(shop, place_named("memory").settings):
        assert shop.amqp.queues["orders"].exchange.name == "celery"
        assert shop.conf.task_queues == [shop.amqp.queues["orders"]]
    assert vars(queue) == before
    assert shop.conf.task_queues == [queue]


def test_caches_of_the_users_subclass_are_the_wirings_own(place_named: Callable[[str], Any]) -> None:
    from functools import cached_property

    class Shop(Celery):
        @cached_property
        def store(self) -> str:
            return str(self.conf.result_backend)

    app = Shop(backend="redis://production.invalid", set_as_current=False)
    assert app.store == "redis://production.invalid"
    with rewired(app, place_named("memory").settings):
        assert app.store == "cache+memory://"
    assert app.store == "redis://production.invalid"


def test_variables_set_before_do_not_win(
    shop: Any, place_named: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    for name in VARIABLES:
        monkeypatch.setenv(name, "redis://production.invalid")
    place = place_named("memory")
    with rewired(shop, place.settings):
        assert_leads_to(shop, place)
        assert [os.environ[name] for name in VARIABLES] == ["memory://localhost"] * 3 + ["cache+memory://"]
    assert {os.environ[name] for name in VARIABLES} == {"redis://production.invalid"}


def test_variables_set_inside_neither_win_nor_stay(
    shop: Any, place_named: Callable[[str], Any], snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    import os

    place, before = place_named("memory"), snapshot(shop)
    with rewired(shop, place.settings):
        os.environ.update(dict.fromkeys(VARIABLES, "redis://production.invalid"))
        assert_leads_to(shop, place)
    assert snapshot(shop) == before


def test_it_is_back_after_an_exception(
    shop: Any, place_named: Callable[[str], Any], snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    before = snapshot(shop)

    def fail() -> None:
        with rewired(shop, place_named("memory").settings):
            shop.tasks["shop.add"].delay(1, 2)
            shop.conf.task_serializer = "pickle"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert snapshot(shop) == before


def test_it_is_back_when_activating_fails_half_way(
    shop: Any, place_named: Callable[[str], Any], snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    class NoRoom(dict[str, Any]):
        """Attributes that cannot be put in place: the last thing that activating does."""

        def __iter__(self) -> Any:
            raise MemoryError

        keys = __iter__

    wiring, before = Wiring(shop, place_named("memory").settings), snapshot(shop)
    wiring._attributes = NoRoom()
    with pytest.raises(MemoryError):
        wiring.activate()
    assert not wiring.is_active
    assert snapshot(shop) == before


def test_another_current_app_is_current_again(shop: Any, place_named: Callable[[str], Any]) -> None:
    other = Celery("other", broker="redis://production.invalid")
    assert current_app._get_current_object() is other
    with rewired(shop, place_named("memory").settings):
        assert current_app._get_current_object() is shop
    assert current_app._get_current_object() is other


def test_threads_started_inside_see_the_app_by_default(shop: Any, place_named: Callable[[str], Any]) -> None:
    Celery("other", broker="redis://production.invalid")
    seen: list[Any] = []
    with rewired(shop, place_named("memory").settings):
        thread = threading.Thread(target=lambda: seen.append(current_app._get_current_object()))
        thread.start()
        thread.join(5)
    assert seen == [shop]


def test_a_conf_held_since_before_is_laid_over_too(shop: Any, place_named: Callable[[str], Any]) -> None:
    conf = shop.conf
    with rewired(shop, place_named("memory").settings):
        assert conf is shop.conf
        assert conf.result_backend == "cache+memory://"


def test_the_settings_can_be_pickled(shop: Any, place_named: Callable[[str], Any]) -> None:
    with rewired(shop, place_named("memory").settings):
        assert pickle.loads(pickle.dumps(shop.conf.changes))["result_backend"] == "cache+memory://"


@pytest.mark.parametrize("name", ["broker_url", "result_backend"])
def test_settings_without_a_server_are_refused(shop: Any, name: str) -> None:
    settings = {"broker_url": "memory://", "result_backend": "cache+memory://", name: None}
    with pytest.raises(BackendsError) as caught:
        Wiring(shop, settings).activate()
    assert str(caught.value).splitlines()[0] == f"the settings of a wiring have no {name}"


def test_an_app_that_is_not_rewired_asks_for_production(shop: Any, only_local_connections: Any) -> None:
    with pytest.raises(shop.backend.connection_errors):
        shop.backend.client.get("key")
    assert set(only_local_connections.foreign) == {"production.invalid"}
    only_local_connections.foreign.clear()
