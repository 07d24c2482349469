"""A lease is one start for many tests, and nothing of one test reaches another or production."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from celery import Celery, _state, bootsteps
from celery.worker import state as worker_state

from pytest_celery_backends import Service
from pytest_celery_backends import lease as lease_module
from pytest_celery_backends.errors import Unavailable, WorkerFailed
from pytest_celery_backends.leases import Leases, load_backend
from pytest_celery_backends.options import resolve
from pytest_celery_backends.polling import wait_until
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.run import Run
from pytest_celery_backends.selection import Choice
from pytest_celery_backends.sources import Identity
from pytest_celery_backends.spec import Driver, Probe
from pytest_celery_backends.vhost import virtual_host

SPEC = Registry().get("memory")
SERVICE = Service(
    backend="memory",
    provider="embedded",
    url="cache+memory://",
    identity=Identity(product="memory", version="1"),
)


@pytest.fixture
def app() -> Celery:
    return Celery(
        "orders", broker="redis://broker.invalid", backend="redis://backend.invalid", set_as_current=False
    )


@pytest.fixture
def leases() -> Iterator[Leases]:
    leases = Leases("test_lease")
    yield leases
    leases.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Run]:
    """A run that starts servers of this module's own."""
    run = Run(resolve({"celery_backends_provider": ["local,embedded"]}, {}, {}), lambda registry: None)
    yield run
    run.close()


def test_the_worker_is_started_once_for_many_tests(app: Celery, leases: Leases) -> None:
    workers = set()
    for _ in range(5):
        with leases.taken(app, SPEC, SERVICE, {}) as lease:
            workers.add(lease.worker)
    assert len(workers) == 1


def test_other_settings_have_a_lease_of_their_own(app: Celery, leases: Leases) -> None:
    with leases.taken(app, SPEC, SERVICE, {"task_track_started": True}) as lease:
        first = lease
    with leases.taken(app, SPEC, SERVICE, {}) as lease:
        second = lease
    with leases.taken(app, SPEC, SERVICE, {"task_track_started": True}) as lease:
        assert lease is first is not second


def test_leases_of_one_app_nest(app: Celery, leases: Leases) -> None:
    task = app.task(add_up, name="add", shared=False)
    with leases.taken(app, SPEC, SERVICE, {}) as outer:
        with leases.taken(app, SPEC, SERVICE, {}) as inner:
            assert inner is not outer
            assert task.delay(1, 1).get(timeout=5) == 2
        assert task.delay(2, 2).get(timeout=5) == 4
        assert len(outer.probe.stored()) == 1


def test_a_worker_that_ends_takes_nothing_from_another(app: Celery, leases: Leases) -> None:
    task = app.task(add_up, name="add", shared=False)
    with leases.taken(app, SPEC, SERVICE, {}) as outer:
        with leases.taken(app, SPEC, SERVICE, {}) as inner:
            pass
        result = task.apply_async((1, 1), countdown=0.5)
        timer = cast(Any, outer.worker).timer
        assert wait_until(lambda: len(timer) == 1, 5)
        cast(Any, inner.worker).shutdown()
        assert result.get(timeout=5) == 2


def add_up(x: int, y: int) -> int:
    return x + y


def test_a_worker_with_something_left_to_do_is_replaced(app: Celery, leases: Leases) -> None:
    task = app.task(add_up, name="add", shared=False)
    with leases.taken(app, SPEC, SERVICE, {}) as lease:
        first = lease.worker
        task.apply_async((1, 1), countdown=60)
    with leases.taken(app, SPEC, SERVICE, {}) as lease:
        assert lease.worker is not first
        assert lease.worker is not None
        assert lease.worker.is_pristine


def test_a_worker_whose_settings_were_changed_is_replaced(app: Celery, leases: Leases) -> None:
    with leases.taken(app, SPEC, SERVICE, {}) as lease:
        first = lease.worker
        app.conf.task_track_started = True
    with leases.taken(app, SPEC, SERVICE, {}) as lease:
        assert lease.worker is not first
        assert not app.conf.task_track_started


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "GRACE", 0.05)


@pytest.mark.usefixtures("short_limits")
@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_a_task_that_hangs_is_named_and_does_not_reach_production(
    app: Celery, leases: Leases, pool: str
) -> None:
    release = threading.Event()
    ended = threading.Event()
    went_on = []

    @app.task(name="hangs", shared=False)
    def hangs() -> None:
        try:
            release.wait(20)
            went_on.append(app.conf.broker_url)
        finally:
            ended.set()

    seen: list[Any] = []

    def leave_it_running() -> None:
        with leases.taken(app, SPEC, SERVICE, {"worker_pool": pool}) as lease:
            seen.extend([lease, hangs.delay()])
            assert lease.worker is not None
            lease.worker.wait_until(lambda: bool(lease.worker and lease.worker.ledger.running), 5)

    with pytest.raises(WorkerFailed) as caught:
        leave_it_running()
    hung, result = seen
    lines = str(caught.value).splitlines()
    assert lines[0] == "the in-process worker did not stop within 1 s"
    assert lines[1].startswith(f"  still running: hangs[{result.id}] for ")
    assert lines[2] == "  type: result_worker.drain(timeout=60)  # at the end of the test"
    with leases.taken(app, SPEC, SERVICE, {"worker_pool": pool}) as lease:
        assert lease is not hung
        release.set()
        assert ended.wait(5)
        task = app.task(add_up, name="add", shared=False)
        assert task.delay(1, 1).get(timeout=5) == 2
        assert [one.state for one in lease.probe.stored()] == ["SUCCESS"]
    assert went_on == []


def test_a_failed_stop_does_not_poison_the_next_start(app: Celery, leases: Leases) -> None:
    worker_state.should_terminate = 1
    try:
        with leases.taken(app, SPEC, SERVICE, {}):
            task = app.task(add_up, name="add", shared=False)
            assert task.delay(1, 1).get(timeout=5) == 2
        assert worker_state.should_terminate == 1
    finally:
        worker_state.should_terminate = None


def process_state() -> dict[str, Any]:
    """What a worker could change for the whole process."""
    import logging

    root, celery = logging.getLogger(), logging.getLogger("celery")
    return {
        "logging": [(log.level, list(log.handlers), log.propagate, log.disabled) for log in (root, celery)],
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "environment": dict(os.environ),
        "revoked": sorted(worker_state.revoked),
        "flags": (_state._task_join_will_block, worker_state.should_stop, worker_state.should_terminate),
        "counted": (dict(worker_state.total_count), list(worker_state.all_total_count)),
        "current": (_state._tls.current_app, _state.default_app),
    }


@pytest.mark.parametrize("pool", ["solo", "threads"])
@pytest.mark.parametrize("backend", ["memory", "sqlite", "postgres", "filesystem", "rpc-memory", "redis"])
def test_the_process_is_as_before_after_a_lease(
    app: Celery, served: Run, leases: Leases, backend: str, pool: str
) -> None:
    choice = Choice(name=backend)
    if error := served.plan(choice).error:
        pytest.skip(error.cause)
    spec, service = served.spec(choice), served.service(choice)
    worker_state.revoked.add("revoked-before")
    before = process_state()
    try:
        with leases.taken(app, spec, service, {"worker_pool": pool}):
            task = app.task(add_up, name="add", shared=False)
            result = task.apply_async((1, 1), countdown=30)
            result.revoke()
            assert task.delay(1, 1).get(timeout=5) == 2
        assert process_state() == before
    finally:
        worker_state.revoked.discard("revoked-before")


def test_tasks_of_a_test_are_gone_afterwards(app: Celery, leases: Leases) -> None:
    with leases.taken(app, SPEC, SERVICE, {}):
        app.task(add_up, name="only.here", shared=False)
        assert "only.here" in app.tasks
    assert "only.here" not in app.tasks


def test_a_dead_store_does_not_delay_the_end(app: Celery) -> None:
    leases = Leases("test_dead")
    settings = {"result_backend": "redis://127.0.0.1:1/0"}
    spec = replace(SPEC, settings=lambda service, namespace: settings)
    started = time.monotonic()
    with leases.taken(app, spec, SERVICE, {}):
        pass
    leases.close()
    assert time.monotonic() - started < 10


def test_a_queue_outlives_the_worker_that_read_it(app: Celery, leases: Leases) -> None:
    task = app.task(add_up, name="add", shared=False)
    for _ in range(3):
        with leases.taken(app, SPEC, SERVICE, {}):
            assert task.apply_async((1, 1), queue="elsewhere").get(timeout=5) == 2
            task.apply_async((1, 1), queue="elsewhere", countdown=60)  # the worker will be replaced


def test_a_task_that_replaced_another_of_its_name_is_run(app: Celery, leases: Leases) -> None:
    for answer in (1, 2):
        with leases.taken(app, SPEC, SERVICE, {}):
            task = app.task(said(answer), name="answer", shared=False, acks_late=answer == 2)
            assert task.delay().get(timeout=5) == answer


def said(answer: int) -> Callable[[], int]:
    def say() -> int:
        return answer

    return say


def test_a_worker_that_was_told_to_end_is_replaced(app: Celery, leases: Leases) -> None:
    task = app.task(add_up, name="add", shared=False)
    with leases.taken(app, SPEC, SERVICE, {}) as lease:
        first = lease.worker
        assert first is not None
        app.control.shutdown()
        first.thread.join(5)
        assert not first.is_alive
    with leases.taken(app, SPEC, SERVICE, {}) as lease:
        assert lease.worker is not first
        assert task.delay(1, 1).get(timeout=5) == 2


def test_a_command_that_nobody_waits_for_reaches_no_other_test(app: Celery, leases: Leases) -> None:
    for _ in range(30):
        with leases.taken(app, SPEC, SERVICE, {}):
            assert len(worker_state.revoked) == 0
            app.control.revoke("no-such-task")
    assert len(worker_state.revoked) == 0


def test_a_test_knows_nothing_of_what_the_process_revoked_before(app: Celery, leases: Leases) -> None:
    worker_state.revoked.add("revoked-before")
    try:
        with leases.taken(app, SPEC, SERVICE, {}):
            assert len(worker_state.revoked) == 0
        assert "revoked-before" in worker_state.revoked
    finally:
        worker_state.revoked.discard("revoked-before")


def test_remote_control_of_one_test_is_not_in_force_in_the_next(app: Celery, leases: Leases) -> None:
    task = app.task(add_up, name="add", shared=False)
    with leases.taken(app, SPEC, SERVICE, {}):
        app.control.rate_limit("add", "1/h", reply=True, timeout=0.2)
    with leases.taken(app, SPEC, SERVICE, {}):
        for _ in range(3):
            assert task.delay(1, 1).get(timeout=5) == 2


def test_inspecting_a_worker_does_not_cost_it_its_place(app: Celery, leases: Leases) -> None:
    with leases.taken(app, SPEC, SERVICE, {}) as lease:
        first = lease.worker
        assert app.control.inspect(timeout=0.2).ping()
    with leases.taken(app, SPEC, SERVICE, {}) as lease:
        assert lease.worker is first


def test_a_worker_that_cannot_start_says_why_and_the_next_is_tried(app: Celery, leases: Leases) -> None:
    class Fails(bootsteps.StartStopStep):
        def start(self, parent: Any) -> None:
            raise OSError("no tape in the drive")

    app.steps["worker"].add(Fails)
    with pytest.raises(WorkerFailed) as caught, leases.taken(app, SPEC, SERVICE, {}):
        pass
    assert str(caught.value).splitlines()[0] == (
        "the in-process worker did not start: OSError('no tape in the drive')"
    )
    app.steps["worker"].clear()
    task = app.task(add_up, name="add", shared=False)
    with leases.taken(app, SPEC, SERVICE, {}):
        assert task.delay(1, 1).get(timeout=5) == 2


class HardToMake:
    """A probe whose namespace cannot be made the first time, and that counts what is left."""

    def __init__(self, calls: list[str]) -> None:
        self.calls = calls

    def create(self) -> None:
        self.calls.append("create")
        if self.calls == ["create"]:
            raise Unavailable("the role may not make a schema", remedy="GRANT CREATE ...")

    def empty(self) -> None:
        self.calls.append("empty")

    def drop(self) -> None:
        self.calls.append("drop")
        raise ConnectionError("gone")


def test_a_namespace_that_could_not_be_made_is_tried_again(app: Celery) -> None:
    calls: list[str] = []
    leases = Leases("test_make")
    spec = replace(SPEC, probe=lambda context: cast(Probe, HardToMake(calls)))
    with pytest.raises(Unavailable), leases.taken(app, spec, SERVICE, {}):
        pass
    with leases.taken(app, spec, SERVICE, {}):
        pass
    assert calls == ["create", "create", "empty"]
    leases.close(is_dead=lambda service: True)


def test_every_lease_is_closed_also_where_closing_one_fails(app: Celery) -> None:
    calls = ["create"]
    leases = Leases("test_close")
    spec = replace(SPEC, probe=lambda context: cast(Probe, HardToMake(calls)))
    for setting in (True, False):
        with leases.taken(app, spec, SERVICE, {"task_track_started": setting}):
            pass
    with pytest.raises(ConnectionError):
        leases.close()
    assert calls.count("drop") == 2


def test_a_message_on_a_queue_that_nobody_reads_is_gone_in_the_next_test(app: Celery, leases: Leases) -> None:
    with leases.taken(app, SPEC, SERVICE, {}) as lease:
        host = virtual_host(lease.namespace.name)
        host.declare("raw")
        host.put("raw", "{}")
    with leases.taken(app, SPEC, SERVICE, {}) as again:
        assert again is lease
        assert host.size("raw") == 0


@pytest.mark.parametrize("scheme", ["no-such-backend", "no_such_module:Backend+redis", "cache+memory"])
def test_what_cannot_be_imported_ahead_is_left_to_the_test_that_needs_it(scheme: str) -> None:
    load_backend(
        replace(SPEC, scheme=scheme, drivers=(Driver(module="no_such_driver", distribution="none"),))
    )
