"""Services that another process has: asked for over a socket, and what happens where that does not work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path

import pytest

from pytest_celery_backends.backends.memory import SPEC as MEMORY
from pytest_celery_backends.backends.redis import SPEC as REDIS
from pytest_celery_backends.errors import StartFailed, Unavailable
from pytest_celery_backends.pool import ServicePool
from pytest_celery_backends.provider_kinds import ProviderKind
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.sources import Identity
from pytest_celery_backends.spec import Availability, BackendSpec, Service
from pytest_celery_backends.store import LONGEST_PATH, ServiceStore, SharedPool, fingerprint

HERE = Identity(product="Redis", version="8.0.2")


@dataclass
class Shelf:
    """A provider that starts nothing and notes what it was asked."""

    failure: StartFailed | None = None
    works: bool = True
    asked: list[str] = field(default_factory=list)
    given: threading.Event = field(default_factory=threading.Event)

    def check(self, spec: BackendSpec, version: str) -> Availability:
        return Availability(works=self.works, reason="sold out", remedy="wait", identity=HERE)

    def start(self, spec: BackendSpec, version: str, timeout: float) -> Service:
        self.asked.append("start")
        assert self.given.wait(10)
        if self.failure:
            raise self.failure
        number = str(len(self.asked))
        return Service(
            backend=spec.name, provider="local", url="redis://h", identity=HERE, handle={"number": number}
        )

    def stop(self, service: Service) -> None:
        self.asked.append(f"stop {service.handle['number']}")

    def logs(self, service: Service) -> str:
        return "ready"


def pool_on(shelf: Shelf) -> ServicePool:
    def provider(kind: ProviderKind) -> Shelf:
        return shelf

    return ServicePool(provider, lambda spec: "local", 5.0)


Make = Callable[..., SharedPool]


@pytest.fixture
def shelf() -> Shelf:
    """What the process that has the servers takes them from."""
    shelf = Shelf()
    shelf.given.set()
    return shelf


@pytest.fixture
def store(shelf: Shelf, tmp_path: Path) -> Iterator[ServiceStore]:
    """A store on the shelf."""
    store = ServiceStore(pool_on(shelf), Registry(), tmp_path)
    yield store
    store.close()


@pytest.fixture
def own() -> Shelf:
    """What a process that asks has for itself."""
    shelf = Shelf()
    shelf.given.set()
    return shelf


@pytest.fixture
def process(store: ServiceStore, own: Shelf) -> Make:
    """A process that asks, by its name."""
    return lambda name="gw0": SharedPool(store.address, pool_on(own), name)


def test_all_processes_get_the_one_service(process: Make, shelf: Shelf, own: Shelf) -> None:
    services = [process(f"gw{number}").service(REDIS) for number in range(4)]
    assert services == [services[0]] * 4
    assert (shelf.asked, own.asked) == (["start"], [])


def test_processes_that_ask_at_the_same_time_wait_for_the_same_start(process: Make, shelf: Shelf) -> None:
    shelf.given.clear()
    got: list[Service] = []
    threads = [threading.Thread(target=lambda: got.append(process().service(REDIS))) for _ in range(3)]
    for thread in threads:
        thread.start()
    shelf.given.set()
    for thread in threads:
        thread.join(10)
    assert len(got) == 3
    assert shelf.asked == ["start"]


def test_a_server_for_one_process_is_started_for_each_and_goes_with_it(
    process: Make, store: ServiceStore, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = replace(REDIS, is_shared=False)
    monkeypatch.setitem(store._registry._specs, "redis", alone)
    first, second = process("gw0").service(alone), process("gw1").service(alone)
    assert first != second
    store.release("gw0")
    assert shelf.asked == ["start", "start", "stop 1"]


def test_a_failure_crosses_with_all_that_it_knows(process: Make, shelf: Shelf) -> None:
    shelf.failure = StartFailed("exited with 1", tried=["its last words: no"], remedy="try", log="bad")
    with pytest.raises(StartFailed) as raised:
        process().service(REDIS)
    error = raised.value
    assert (error.cause, error.tried, error.remedy, error.log) == (
        "exited with 1",
        ("its last words: no",),
        "try",
        "bad",
    )


def test_a_backend_that_is_not_to_be_had_says_why(process: Make, shelf: Shelf) -> None:
    shelf.works = False
    assert str(process().plan(REDIS).error).splitlines()[1] == "  local: sold out"
    with pytest.raises(Unavailable):
        process().service(REDIS)


def test_what_stopped_answering_is_told_to_processes_that_come_later(process: Make) -> None:
    first = process("gw0")
    first.service(REDIS)
    assert first.gone(REDIS, "", "ConnectionError").cause == "redis stopped answering while tests ran"
    with pytest.raises(StartFailed, match="redis failed earlier in this run: redis stopped answering"):
        process("gw1").service(REDIS)


def test_logs_are_those_of_the_other_process(process: Make) -> None:
    pool = process()
    assert pool.logs(pool.service(REDIS)) == "ready"


def test_a_backend_that_only_this_process_knows_is_its_own(process: Make, shelf: Shelf, own: Shelf) -> None:
    for unknown in (replace(REDIS, name="acme"), replace(REDIS, title="Acme")):
        process().service(unknown)
    assert (shelf.asked, own.asked) == ([], ["start", "start"])


def test_a_backend_without_a_server_asks_nobody(own: Shelf) -> None:
    SharedPool(("/nowhere", b"key"), pool_on(own), "gw0").service(MEMORY)
    assert own.asked == ["start"]


def test_a_service_that_was_begun_is_there_when_it_is_asked_for(process: Make, shelf: Shelf) -> None:
    process("gw0").begin(REDIS)
    process("gw1").begin(REDIS)
    process("gw0").service(REDIS)
    assert shelf.asked == ["start"]


def test_what_the_first_process_says_is_said_once(process: Make, store: ServiceStore) -> None:
    process("gw0").announce(["celery backend redis: here"])
    process("gw1").announce(["celery backend redis: here"])
    assert store.announced == ["celery backend redis: here"]


def test_a_process_that_stops_listening_is_told(process: Make, store: ServiceStore) -> None:
    store.close()
    with pytest.raises(StartFailed, match="the process that has the servers does not answer"):
        process().plan(REDIS)


def test_nobody_is_answered_without_the_key_and_others_still_are(process: Make, store: ServiceStore) -> None:
    address, _ = store.address
    with pytest.raises(AuthenticationError):
        Client(address, authkey=b"guessed")
    assert str(process().plan(REDIS)) == "Redis 8.0.2 (local)"


def test_a_process_that_goes_while_it_asks_disturbs_nobody(process: Make, store: ServiceStore) -> None:
    address, key = store.address
    Client(address, authkey=key).close()
    assert str(process().plan(REDIS)) == "Redis 8.0.2 (local)"


def test_a_path_too_long_for_a_socket_makes_it_listen_on_loopback(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * LONGEST_PATH)
    deep.mkdir()
    store = ServiceStore(pool_on(Shelf()), Registry(), deep)
    try:
        (host, _), _ = store.address
        assert host == "127.0.0.1"
    finally:
        store.close()


def test_the_socket_is_for_its_user_only(store: ServiceStore, tmp_path: Path) -> None:
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o600 or isinstance(store.address[0], tuple)


def test_every_backend_has_a_fingerprint_of_its_own() -> None:
    registry = Registry()
    prints = {fingerprint(registry.get(name)) for name in registry.names}
    assert len(prints) == len(registry.names)
