"""Consul: keys that sessions lock, what Celery leaves behind, and what leads its client elsewhere."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from pytest_celery_backends.probes.consul import connected, identify, sweep
from pytest_celery_backends.spec import Held, NotReady, Refused

FOREIGN = "/v1/kv/somebody-else"


@pytest.fixture
def store(open_store: Any) -> Any:
    return open_store("consul", result_expires=3600)


@pytest.fixture
def foreign(store: Any) -> Iterator[Any]:
    """Somebody else's client, who keeps a key and a session on the same server."""
    server = connected(store.service.url)
    server.ask("PUT", FOREIGN, ["stays"])
    session = server.ask("PUT", "/v1/session/create", {"Name": "somebody-else"})["ID"]
    yield server
    server.ask("DELETE", FOREIGN)
    server.ask("PUT", f"/v1/session/destroy/{session}")


def _sessions(store: Any) -> list[str]:
    return sorted(each["Name"] for each in store.probe.client.ask("GET", "/v1/session/list"))


def test_an_agent_says_what_it_is(get_service: Any) -> None:
    identity = identify(get_service("consul").url, 5)
    assert identity.product == "Consul"
    assert identity.version[0].isdecimal()


def test_a_task_keeps_its_first_state(store: Any) -> None:
    store.backend.store_result("t1", None, "STARTED")
    store.backend.store_result("t1", 4, "SUCCESS")
    assert [found.state for found in store.probe.stored()] == ["STARTED"]


def test_dropping_leaves_the_keys_and_sessions_of_others(store: Any, foreign: Any) -> None:
    store.keep()
    assert len(_sessions(store)) > 1
    store.probe.drop()
    assert _sessions(store) == ["somebody-else"]
    assert foreign.ask("GET", FOREIGN)


def test_the_session_of_a_forgotten_result_is_removed(store: Any) -> None:
    store.app.AsyncResult(store.keep()).forget()
    assert len(_sessions(store)) == 1
    store.probe.empty()
    assert _sessions(store) == []


def test_sweeping_takes_the_prefix_and_nothing_else(store: Any, foreign: Any) -> None:
    store.keep()
    sweep(store.service.url, store.namespace.name)
    assert store.probe.stored() == []
    assert _sessions(store) == ["somebody-else"]
    assert foreign.ask("GET", FOREIGN)


def test_a_path_in_the_url_is_kept(store: Any, open_store: Any) -> None:
    service = replace(store.service, url=f"{store.service.url}/shop/results")
    below = open_store("consul", service=service)
    task_id = below.keep()
    (found,) = below.probe.stored()
    assert (found.task_id, found.key.startswith("shop/results/")) == (task_id, True)
    assert below.probe.held(task_id) == Held(state=found.state, raw=found.raw)
    sweep(service.url, below.namespace.name)
    assert (below.probe.stored(), _sessions(below)) == ([], [])


def test_a_result_without_lifetime_never_expires(open_store: Any) -> None:
    store = open_store("consul", result_expires=None)
    task_id = store.keep()
    store.probe.aged_copy(task_id, 60)
    assert [found.expires_in for found in store.probe.stored()] == [None, None]


def test_a_copy_lives_as_long_as_the_shortest_session(store: Any) -> None:
    store.probe.aged_copy(store.keep(), 3599)
    assert sorted(found.expires_in for found in store.probe.stored()) == [10, 3600]


def test_the_token_of_the_environment_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Agent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403 if self.headers["X-Consul-Token"] != "s3cret" else 500)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Agent) as server:
        url = f"consul://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        with pytest.raises(Refused, match="403") as refused:
            identify(url, 5)
        assert refused.value.remedy == "CONSUL_HTTP_TOKEN=TOKEN pytest"
        monkeypatch.setenv("CONSUL_HTTP_TOKEN", "s3cret")
        with pytest.raises(NotReady, match="500"):
            identify(url, 5)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["CONSUL_HTTP_ADDR", "CONSUL_HTTP_SSL"])
def test_what_leads_celery_to_another_server_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "production:8500")
    with pytest.raises(Refused, match=f"{name} is set") as refused:
        identify("consul://127.0.0.1:1", 1)
    assert refused.value.remedy == f"env -u {name} pytest"


def test_a_port_on_which_nobody_listens_is_not_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NotReady, match="refused"):
            identify(f"consul://127.0.0.1:{taken.getsockname()[1]}", 1)
