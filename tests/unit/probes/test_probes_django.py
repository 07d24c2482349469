"""What the probes of django-celery-results do, checked against what it stores itself."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from pytest_celery_backends.decoding import decoder
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.sources import BuiltIn
from pytest_celery_backends.spec import Held, Namespace, Probe, ProbeContext, Service
from pytest_celery_backends.wiring import rewired

pytest.importorskip("django_celery_results")

NAMES = ("django-cache", "django-db")


@dataclass(frozen=True, kw_only=True)
class Store:
    app: Celery
    probe: Probe

    @property
    def backend(self) -> Any:
        return self.app.backend

    def keep(self, value: object = 4, state: str = "SUCCESS") -> str:
        task_id = str(uuid.uuid4())
        self.backend.store_result(task_id, value, state)
        return task_id

    def ids(self) -> list[str]:
        return sorted(found.task_id for found in self.probe.stored())


OpenStore = Callable[..., Store]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    with ExitStack() as close:

        def make(name: str, *, namespace: str = "pcb1", **settings: Any) -> Store:
            spec = Registry().get(name)
            source = spec.source("embedded")
            assert isinstance(source, BuiltIn)
            url = source.url(str(tmp_path))
            identity = spec.identify(url, 1)
            service = Service(backend=name, provider="embedded", url=url, identity=identity)
            home = Namespace(name=namespace)
            app = Celery("tests", set_as_current=False)
            wired = {"broker_url": "memory://", **spec.settings(service, home), **settings}
            probe = spec.probe(
                ProbeContext(
                    service=service,
                    namespace=home,
                    decode=decoder("json"),
                    lifetime=settings.get("result_expires"),
                )
            )
            probe.create()
            close.callback(probe.drop)
            close.enter_context(rewired(app, wired))
            return Store(app=app, probe=probe)

        yield make


@pytest.fixture(params=NAMES)
def store(request: pytest.FixtureRequest, open_store: OpenStore) -> Store:
    return open_store(request.param, result_expires=3600)


def test_a_new_namespace_is_empty(store: Store) -> None:
    assert store.probe.stored() == []
    assert store.probe.held("unknown") is None


def test_a_result_is_listed_with_its_task_and_state(store: Store) -> None:
    task_id = store.keep([1, 2])
    (found,) = store.probe.stored()
    assert (found.task_id, found.kind, found.state) == (task_id, "task", "SUCCESS")
    assert found.size >= len(found.raw) > 0
    assert found.expires_in == pytest.approx(3600, abs=10)
    assert store.probe.held(task_id) == Held(state=found.state, raw=found.raw)


def test_a_failure_and_a_custom_state_are_listed(store: Store) -> None:
    store.backend.mark_as_failure("t1", ValueError("no"), traceback="Traceback ...")
    assert [found.state for found in store.probe.stored()] == ["FAILURE"]
    store.probe.remove("t1")
    store.keep({"done": 3}, "PROGRESS")
    assert [found.state for found in store.probe.stored()] == ["PROGRESS"]


def test_a_saved_group_is_listed_as_a_group(store: Store) -> None:
    members = [store.app.AsyncResult(store.keep()) for _ in range(2)]
    store.app.GroupResult("g1", members).save(backend=store.backend)
    found = [entry.task_id for entry in store.probe.stored() if entry.kind == "group"]
    assert found == ["g1"]


def test_a_chord_that_waits_is_listed_as_a_chord(open_store: OpenStore) -> None:
    store = open_store("django-db")
    members = [store.app.AsyncResult(str(uuid.uuid4())) for _ in range(2)]
    store.backend.apply_chord(store.app.GroupResult("g1", members), store.app.signature("x"))
    (found,) = store.probe.stored()
    assert (found.kind, found.task_id, found.expires_in) == ("chord", "g1", None)
    store.probe.empty()
    assert store.probe.stored() == []


def test_forgetting_is_seen(store: Store) -> None:
    store.app.AsyncResult(store.keep()).forget()
    assert store.probe.stored() == []


def test_one_task_is_removed_and_no_other(store: Store) -> None:
    gone, stays = store.keep(), store.keep()
    store.probe.remove(gone)
    store.probe.remove("unknown")
    assert store.ids() == [stays]


@pytest.mark.parametrize("name", NAMES)
def test_emptying_leaves_the_neighbour_alone(name: str, open_store: OpenStore) -> None:
    first = open_store(name)
    first.keep()
    neighbour = open_store(name, namespace="pcb12")
    kept = neighbour.keep()
    first.probe.empty()
    assert (first.ids(), neighbour.ids()) == ([], [kept])


def test_celery_goes_on_storing_after_emptying_and_dropping(store: Store) -> None:
    store.keep()
    store.probe.empty()
    again = store.keep()
    assert store.ids() == [again]
    store.probe.drop()
    store.probe.drop()
    store.probe.create()
    assert store.probe.stored() == []


def test_a_copy_is_older_is_read_by_celery_and_the_original_is_not_touched(store: Store) -> None:
    original = store.keep("kept")
    copy = store.probe.aged_copy(original, 600)
    left = {found.task_id: found.expires_in or 0 for found in store.probe.stored()}
    assert left[original] - left[copy] == pytest.approx(600, abs=2)
    assert store.app.AsyncResult(copy).get(timeout=5) == "kept"


def test_only_the_copy_that_is_too_old_goes(store: Store) -> None:
    original = store.keep()
    young, old = (store.probe.aged_copy(original, seconds) for seconds in (3590, 3610))
    store.backend.cleanup()
    assert store.ids() == sorted([original, young])
    assert store.app.AsyncResult(old).state == "PENDING"


def test_nothing_can_be_copied_where_nothing_is_stored(store: Store) -> None:
    with pytest.raises(LookupError, match="nothing is stored for task unknown"):
        store.probe.aged_copy("unknown", 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_result_without_lifetime_never_expires(name: str, open_store: OpenStore) -> None:
    store = open_store(name, result_expires=None)
    store.keep()
    assert store.probe.stored()[0].expires_in is None


def test_django_knows_nothing_of_us_afterwards(open_store: OpenStore) -> None:
    from django.core.cache import caches
    from django.db import connections, router
    from django_celery_results.managers import ResultManager

    # other tests of this run may have a database open
    before, engine = list(router.routers), ResultManager.current_engine
    stores = [open_store(name) for name in NAMES]
    assert "celery_backends_pcb1" not in list(connections)
    for each in stores:
        each.probe.drop()
    assert "celery_backends_pcb1" not in caches.settings
    assert router.routers == before
    assert ResultManager.current_engine == engine
