"""A wiring is taken on and off many times; what was built under it stays until it is closed."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery, current_app
from kombu import pools

from pytest_celery_backends.errors import BackendsError, WaitTimeout
from pytest_celery_backends.wiring import Wiring, rewired

pytestmark = [
    pytest.mark.usefixtures("only_local_connections"),
    # redis-py 8 on what Celery calls
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),
]

MEMORY = {"broker_url": "memory://localhost", "result_backend": "cache+memory://"}
BUILT = ("backend", "amqp", "pool", "producer_pool", "control", "events", "oid", "thread_oid", "timezone")


def everything(app: Any) -> list[Any]:
    return [getattr(app, name) for name in BUILT]


def in_thread(action: Callable[[], Any]) -> Any:
    """What an action gives in a thread of its own, which has ended then."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(action()))
    thread.start()
    thread.join(5)
    return results[0]


def test_what_was_built_is_there_again(shop: Any, place: Any) -> None:
    wiring = Wiring(shop, place.settings, place.adapt)
    wiring.activate()
    first = everything(shop)
    wiring.deactivate()
    wiring.activate()
    assert list(map(id, everything(shop))) == list(map(id, first))
    wiring.close()


def test_what_was_built_before_is_there_afterwards(shop: Any, place: Any) -> None:
    before = everything(shop)
    with rewired(shop, place.settings, place.adapt):
        inside = everything(shop)
    assert not set(map(id, before[:6])) & set(map(id, inside[:6]))
    assert list(map(id, everything(shop))) == list(map(id, before))


def test_several_wirings_of_one_app_take_turns(
    shop: Any, place_named: Callable[[str], Any], snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    places = [place_named(name) for name in ("file", "sqlite", "memory", "redis", "rpc")]
    wirings = [Wiring(shop, place.settings, place.adapt) for place in places]
    before, seen = snapshot(shop), set()
    for _ in range(3):
        for wiring, place in zip(wirings, places, strict=True):
            wiring.activate()
            assert type(shop.backend).__name__ == place.backend_class
            assert shop.tasks["shop.add"].delay(1, 2).backend is shop.backend
            seen.add(id(shop.backend))
            wiring.deactivate()
            assert snapshot(shop) == before
    assert len(seen) == len(wirings)
    for wiring in wirings:
        wiring.close()


def test_tables_have_their_own_names_under_each_wiring_and_their_old_ones_afterwards(
    shop: Any, place_named: Callable[[str], Any], snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    names = ("first", "second")
    places = [place_named("sqlite") for _ in names]
    wirings = [
        Wiring(shop, {**place.settings, "database_table_names": {"task": name}}, place.adapt)
        for name, place in zip(names, places, strict=True)
    ]
    before = snapshot(shop)
    for _ in range(2):
        for wiring, name in zip(wirings, names, strict=True):
            wiring.activate()
            assert shop.backend.task_cls.__table__.name == name
            wiring.deactivate()
            assert snapshot(shop) == before
    for wiring in wirings:
        wiring.close()


def test_each_thread_has_a_backend_object_of_its_own(shop: Any) -> None:
    with rewired(shop, MEMORY) as wiring:
        mine, other = shop.backend, in_thread(lambda: shop.backend)
        assert mine is not other
        assert wiring.backends == (mine, other)


def test_threads_share_a_backend_that_is_said_to_be_thread_safe(shop: Any) -> None:
    shop.conf.result_backend_thread_safe = True
    before = shop.backend
    wiring = Wiring(shop, MEMORY)
    wiring.activate()
    other = in_thread(lambda: shop.backend)
    assert shop.backend is other is not before
    wiring.deactivate()
    assert shop.backend is before
    wiring.activate()
    assert shop.backend is other
    wiring.close()


def test_backends_of_threads_that_ended_are_let_go(shop: Any) -> None:
    wiring = Wiring(shop, MEMORY)
    wiring.activate()
    mine, _ = shop.backend, in_thread(lambda: shop.backend)
    wiring.deactivate()
    assert wiring.backends == (mine,)
    wiring.close()


def test_each_backend_is_adapted_before_it_is_used(shop: Any) -> None:
    def adapt(backend: Any) -> None:
        backend.expires = 77

    with rewired(shop, MEMORY, adapt):
        assert shop.backend.expires == 77
        assert in_thread(lambda: shop.backend.expires) == 77


def test_an_inner_wiring_of_the_same_app_ends_at_the_outer_one(
    shop: Any, place_named: Callable[[str], Any], snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    outside = snapshot(shop)
    with rewired(shop, {**MEMORY, "task_track_started": True}):
        shop.conf.task_serializer = "pickle"
        shop.tasks["shop.add"].delay(1, 2)
        outer, backend = snapshot(shop), shop.backend
        with rewired(shop, {**place_named("file").settings, "task_acks_late": True}):
            assert type(shop.backend).__name__ == "FilesystemBackend"
            assert shop.tasks["shop.add"].track_started is True
            shop.config_from_object({"broker_url": "redis://production.invalid"})
            assert shop.conf.broker_url == "memory://localhost"
            shop.conf.task_serializer = "yaml"
        assert snapshot(shop) == outer
        assert shop.backend is backend
    assert snapshot(shop) == outside


def test_a_wiring_made_within_another_can_be_used_alone(
    shop: Any, place_named: Callable[[str], Any], snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    outside, inner = snapshot(shop), Wiring(shop, place_named("file").settings)
    with rewired(shop, {**MEMORY, "task_default_queue": "outer"}):
        inner.activate()
        assert shop.conf.task_default_queue == "outer"
        inner.deactivate()
    inner.activate()
    shop.config_from_object({"broker_url": "redis://production.invalid"})
    assert shop.conf.task_default_queue == "celery"
    assert shop.conf.result_backend.startswith("file://")
    inner.close()
    assert snapshot(shop) == outside


def test_a_second_app_can_be_rewired_inside(
    shop: Any, place_named: Callable[[str], Any], snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    other = Celery("other", broker="redis://production.invalid", set_as_current=False)
    other.finalize()
    before = snapshot(shop)
    with rewired(shop, MEMORY):
        with rewired(other, place_named("file").settings):
            assert current_app._get_current_object() is other
            assert type(other.backend).__name__ == "FilesystemBackend"
            assert type(shop.backend).__name__ == "CacheBackend"
        assert current_app._get_current_object() is shop
    assert snapshot(shop) == before
    assert other.conf.broker_url == "redis://production.invalid"


def test_a_wiring_that_is_active_is_not_activated_again(shop: Any) -> None:
    with rewired(shop, MEMORY) as wiring, pytest.raises(BackendsError) as caught:
        wiring.activate()
    assert str(caught.value) == "the wiring of app 'shop' is active already\n  type: wiring.deactivate()"


def test_an_outer_wiring_does_not_end_before_the_inner_one(
    shop: Any, snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    before, outer, inner = snapshot(shop), Wiring(shop, MEMORY), Wiring(shop, MEMORY)
    outer.activate()
    inner.activate()
    with pytest.raises(BackendsError) as caught:
        outer.deactivate()
    assert str(caught.value).splitlines() == [
        "a wiring of app 'shop' ends before one that was activated later",
        "  the later one leads to cache+memory://",
        "  type: inner.deactivate(); outer.deactivate()",
    ]
    inner.close()
    outer.close()
    assert snapshot(shop) == before


def test_deactivating_and_closing_twice_does_nothing(
    shop: Any, snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    before, wiring = snapshot(shop), Wiring(shop, MEMORY)
    wiring.activate()
    wiring.close()
    wiring.close()
    wiring.deactivate()
    assert snapshot(shop) == before


def test_pools_are_kombus_while_the_wiring_is_active_only(shop: Any) -> None:
    wiring = Wiring(shop, MEMORY)
    wiring.activate()
    pool = shop.pool
    wiring.deactivate()
    assert pool not in pools.connections.values()
    wiring.activate()
    assert pools.connections[shop.connection_for_write()] is pool
    wiring.close()
    assert pool not in pools.connections.values()


def test_the_limit_of_all_pools_is_as_before(shop: Any) -> None:
    limit = pools.get_limit()
    with rewired(shop, {**MEMORY, "broker_pool_limit": 2}):
        assert shop.pool.limit == 2
    assert pools.get_limit() == limit


def test_the_users_limit_does_not_reach_other_pools(shop: Any) -> None:
    limit = pools.get_limit()
    shop.conf.broker_pool_limit = limit + 1
    with rewired(shop, MEMORY):
        assert shop.pool.limit == limit
        assert pools.get_limit() == limit


def test_closing_disconnects_from_redis(shop: Any, place_named: Callable[[str], Any]) -> None:
    from redis import Redis

    place = place_named("redis")
    wiring = Wiring(shop, place.settings)
    wiring.activate()
    result = shop.tasks["shop.add"].delay(1, 2)
    result.backend.result_consumer.consume_from(result.id)
    assert result.state == "PENDING"
    with Redis.from_url(place.url) as client:
        assert len(client.client_list()) == 3
        wiring.close()
        assert len(client.client_list()) == 1
        assert result.backend.result_consumer.subscribed_to == set()
        del result
        gc.collect()
        assert len(client.client_list()) == 1, "a result that is collected later connects again"


def test_closing_disposes_the_engine(shop: Any, place_named: Callable[[str], Any]) -> None:
    def pooled(backend: Any) -> None:
        place.adapt(backend)
        manager = (
            getattr(backend, "session_manager", None) or backend.ResultSession.keywords["session_manager"]
        )
        manager.forked = True
        managers.append(manager)

    managers: list[Any] = []
    place = place_named("sqlite")
    with rewired(shop, place.settings, pooled):
        shop.backend.store_result("1", 1, "SUCCESS")
        (engine,) = managers[0]._engines.values()
        pool = engine.pool
    assert managers[0]._engines == {}
    assert engine.pool is not pool


def test_closing_ends_the_consumer_of_rpc_replies(shop: Any, place_named: Callable[[str], Any]) -> None:
    with rewired(shop, place_named("rpc").settings):
        result = shop.tasks["shop.add"].delay(1, 2)
        shop.backend.result_consumer.consume_from(result.id)
        connection = shop.backend.result_consumer._connection
        assert connection.connected
    assert not connection.connected
    result.backend.remove_pending_result(result)


def test_closing_after_the_server_has_gone_is_quick(
    shop: Any, place_named: Callable[[str], Any], only_local_connections: Any
) -> None:
    import socket

    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{nobody.getsockname()[1]}/0"
        wiring = Wiring(shop, {"broker_url": "memory://localhost", "result_backend": url})
        wiring.activate()
        with pytest.raises(shop.backend.connection_errors):
            shop.backend.client.ping()
        started = time.monotonic()
        wiring.close()
        assert time.monotonic() - started < 1


def test_closing_gives_up_on_a_connection_that_does_not_close(
    shop: Any, snapshot: Callable[[Any], dict[str, Any]]
) -> None:
    class Stuck:
        """A client whose server never answers the farewell."""

        def close(self) -> None:
            released.wait(30)

    def adapt(backend: Any) -> None:
        vars(backend)["client"] = Stuck()

    released, before, wiring = threading.Event(), snapshot(shop), Wiring(shop, MEMORY, adapt)
    wiring.activate()
    assert shop.backend.client
    with pytest.raises(WaitTimeout) as caught:
        wiring.close(timeout=0.05)
    released.set()
    assert str(caught.value).splitlines() == [
        "letting go of connections took longer than 0.05 s",
        "  still waiting for the client of CacheBackend",
        "  type: wiring.close(timeout=0.2)",
    ]
    assert snapshot(shop) == before


def test_a_failure_to_close_one_connection_keeps_none_open(shop: Any) -> None:
    class Broken:
        """A client that fails to close."""

        def close(self) -> None:
            closed.append(self)
            raise OSError("broken")

    def adapt(backend: Any) -> None:
        vars(backend)["client"] = Broken()

    closed: list[Any] = []
    wiring = Wiring(shop, MEMORY, adapt)
    wiring.activate()
    leave, ready = threading.Event(), threading.Event()

    def stay() -> None:
        assert shop.backend
        ready.set()
        leave.wait(5)

    thread = threading.Thread(target=stay)
    thread.start()
    assert ready.wait(5)
    assert shop.backend
    with pytest.raises(OSError, match="broken"):
        wiring.close()
    leave.set()
    thread.join(5)
    assert len(closed) == 2


def test_taking_a_wiring_on_and_off_is_quick(shop: Any) -> None:
    for number in range(50):
        shop.task(name=f"shop.task{number}", shared=False)(double)
    wiring = Wiring(shop, {**MEMORY, "task_track_started": True})
    fastest = min(_seconds(wiring) for _ in range(20))
    wiring.close()
    assert fastest < 0.01, "ten times what was measured on a slow machine"


def double(value: int) -> int:
    return value


def _seconds(wiring: Wiring) -> float:
    started = time.perf_counter()
    wiring.activate()
    wiring.deactivate()
    return time.perf_counter() - started
