"""Stores that Celery writes to and probes read from: each test gets a namespace of its own."""

from __future__ import annotations

import os
import socketserver
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from celery import Celery

from pytest_celery_backends import broker, namespaced_amqp
from pytest_celery_backends.decoding import decoder
from pytest_celery_backends.providers import make_provider
from pytest_celery_backends.providers.run_directory import RunDirectory
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.releases import backend_steps, run_within
from pytest_celery_backends.spec import BackendSpec, Namespace, Probe, ProbeContext, Service

GetService = Callable[[str], Service]


@dataclass(frozen=True, kw_only=True)
class Store:
    """A namespace, an app that stores in it, and the probe that reads it."""

    spec: BackendSpec
    service: Service
    namespace: Namespace
    app: Celery
    probe: Probe

    @property
    def backend(self) -> Any:
        """The app's own backend object."""
        return self.app.backend

    def keep(self, value: object = 4, state: str = "SUCCESS") -> str:
        """Let Celery store a result, and give its task id."""
        task_id = str(uuid.uuid4())
        self.backend.store_result(task_id, value, state)
        return task_id

    def ids(self) -> list[str]:
        """The task ids that the probe finds, sorted."""
        return sorted(found.task_id for found in self.probe.stored())


def _disconnect(app: Celery) -> None:
    """Close what Celery's own backend holds open; the namespace is dropped only then."""
    run_within(10.0, list(backend_steps(app.backend)), remedy="pytest tests/unit/probes")
    app.close()


OpenStore = Callable[..., Store]


@pytest.fixture(scope="session")
def get_service() -> Iterator[GetService]:
    """Starts a private server at its first use; skips where this machine has none."""
    run, registry, started = RunDirectory(), Registry(), dict[str, Service]()
    with ExitStack() as stop:
        stop.callback(run.close)

        def get(name: str) -> Service:
            spec = registry.get(name)
            for kind in ("local", "embedded", "container") if name not in started else ():
                provider = make_provider(kind, run, {}, False)
                if provider.check(spec, "").works:
                    started[name] = provider.start(spec, "", 60)
                    stop.callback(provider.stop, started[name])
                    break
            if name not in started:
                reason = f"there are no binaries and no container of {name} here"
                pytest.fail(reason) if "CI" in os.environ else pytest.skip(reason)
            return started[name]

        yield get


def namespace_name() -> str:
    """A name that nobody else uses.

    >>> namespace_name() != namespace_name()
    True
    """
    return f"pcb_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def open_store(get_service: GetService) -> Iterator[OpenStore]:
    """Makes a store of a backend; keywords are Celery settings, ``service`` takes another server."""
    with ExitStack() as close:
        broker.install()
        namespaced_amqp.install()

        def make(name: str, *, service: Service | None = None, namespace: str = "", **settings: Any) -> Store:
            spec, service = Registry().get(name), service or get_service(name)
            home = Namespace(name=namespace or namespace_name())
            app = Celery("tests", set_as_current=False)
            broker_url = broker.broker_url(home.name)
            app.conf.update({"broker_url": broker_url, **spec.settings(service, home), **settings})
            expires = app.conf.result_expires
            context = ProbeContext(
                service=service,
                namespace=home,
                decode=decoder(app.conf.result_serializer),
                lifetime=None if expires is None else getattr(expires, "total_seconds", lambda: expires)(),
                timezone=app.timezone,
            )
            probe = spec.probe(context)
            probe.create()
            close.callback(probe.drop)
            close.callback(_disconnect, app)
            spec.adapt(app.backend, "client")
            return Store(spec=spec, service=service, namespace=home, app=app, probe=probe)

        yield make


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    """Makes a server that gives one answer to everything, as one that is just starting does."""
    with ExitStack() as stop:

        def serve(answer: bytes) -> str:
            class Answer(socketserver.BaseRequestHandler):
                def handle(self) -> None:
                    while self.request.recv(4096):
                        self.request.sendall(answer)

            server = stop.enter_context(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer))
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            stop.callback(server.shutdown)
            return f"redis://127.0.0.1:{server.server_address[1]}/0"

        yield serve
