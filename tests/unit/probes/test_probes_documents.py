"""Stores of which no server is here: where Celery is led, what is asked of a server, and what is made of its answer.

The server is a real one over HTTP, which knows the few answers that a test gives it.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from celery import Celery

from pytest_celery_backends.decoding import decoder
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.sources import Identity
from pytest_celery_backends.spec import Namespace, NotReady, Probe, ProbeContext, Refused, Service

# pydocumentdb compares texts by identity, of which Python warns where it compiles it.
pytestmark = pytest.mark.filterwarnings("ignore::SyntaxWarning")

URLS = {
    "arangodb": "arangodb://u:p%40@127.0.0.1:{port}/shop",
    "cassandra": "cassandra://u:p%40@127.0.0.1:{port}",
    "cosmosdb": "cosmosdbsql://:cEA%3D@127.0.0.1:{port}",
    "couchbase": "couchbase://u:p%40@127.0.0.1:{port}/bucket",
    "couchdb": "couchdb://u:p%40@127.0.0.1:{port}",
    "elasticsearch": "elasticsearch://u:p%40@127.0.0.1:{port}",
}
HTTP = ("arangodb", "couchdb", "elasticsearch")
META = json.dumps({"status": "SUCCESS", "result": 4})
Answers = Mapping[str, Any]


class Told:
    """What a server was asked, in order; and where it is."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[str] = []
        self.bodies: list[Any] = []
        self.authorization: set[str] = set()

    def url(self, name: str) -> str:
        return URLS[name].format(port=self.port)


@pytest.fixture
def serve() -> Iterator[Callable[[Answers], Told]]:
    """Starts a server with these answers by ``METHOD path``; an int is a status, all else is 404."""
    with ExitStack() as stop:

        def start(answers: Answers) -> Told:
            class Handler(BaseHTTPRequestHandler):
                def answer(self) -> None:
                    body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                    told.asked.append(f"{self.command} {self.path}")
                    told.bodies.append(json.loads(body) if body else None)
                    told.authorization.add(self.headers.get("Authorization", ""))
                    found = answers.get(told.asked[-1], 404)
                    self.send_response(found if isinstance(found, int) else 200)
                    self.end_headers()
                    self.wfile.write(b"{}" if isinstance(found, int) else json.dumps(found).encode())

                do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

                def log_message(self, *_: Any) -> None:
                    """Nothing."""

            server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            stop.callback(server.server_close)
            told = Told(server.server_address[1])
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            stop.callback(server.shutdown)
            return told

        yield start


def _service(name: str, url: str) -> Service:
    return Service(backend=name, provider="external", url=url, identity=Identity(product="x", version="1"))


def _probe(name: str, url: str) -> Probe:
    context = ProbeContext(
        service=_service(name, url), namespace=Namespace(name="pcb1"), decode=decoder("json"), lifetime=None
    )
    return Registry().get(name).probe(context)


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _backend(name: str, url: str) -> Any:
    """Celery's own backend object; it connects at its first use only."""
    spec = Registry().get(name)
    for driver in spec.drivers:
        pytest.importorskip(driver.module)
    app = Celery("tests", set_as_current=False)
    app.conf.update(spec.settings(_service(name, url), Namespace(name="pcb1")))
    return app.backend


@pytest.mark.parametrize("name", URLS)
def test_a_server_that_is_not_there_is_not_ready_within_the_limit(name: str) -> None:
    for driver in Registry().get(name).drivers if name not in HTTP else ():
        pytest.importorskip(driver.module)
    started = time.monotonic()
    with pytest.raises(NotReady):
        Registry().get(name).identify(URLS[name].format(port=_closed_port()), 1.0)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("name", "place"),
    [
        (
            "arangodb",
            {"database": "shop", "collection": "pcb1", "username": "u", "password": "p@", "port": 7},
        ),
        ("cassandra", {"keyspace": "pcb1", "table": "results", "servers": ["127.0.0.1"], "port": 7}),
        ("cosmosdb", {"_database_name": "pcb1", "_collection_name": "results", "_key": "cEA="}),
        ("couchbase", {"bucket": "bucket", "username": "u", "password": "p@", "port": 7}),
        ("couchdb", {"container": "pcb1", "username": "u", "password": "p@", "port": 7}),
        ("elasticsearch", {"index": "pcb1", "username": "u", "password": "p@", "port": 7}),
    ],
)
def test_celery_is_led_into_the_namespace(name: str, place: Mapping[str, object]) -> None:
    backend = _backend(name, URLS[name].format(port=7))
    assert {key: getattr(backend, key) for key in place} == place


def test_couchbase_keys_begin_with_the_namespace() -> None:
    key = _backend("couchbase", URLS["couchbase"].format(port=7)).get_key_for_task("t1")
    assert key.startswith("pcb1:")


IDENTITIES: Mapping[str, tuple[Answers, str]] = {
    "arangodb": (
        {"GET /_api/version": {"version": "3.12.4"}, "GET /_db/shop/_api/database/current": {"result": {}}},
        "ArangoDB 3.12.4",
    ),
    "couchdb": ({"GET /": {"couchdb": "Welcome", "version": "3.5.0"}, "GET /_all_dbs": []}, "CouchDB 3.5.0"),
    "elasticsearch": ({"GET /": {"version": {"number": "8.19.0"}}}, "Elasticsearch 8.19.0"),
}


@pytest.mark.parametrize("name", HTTP)
def test_a_server_says_what_it_is(name: str, serve: Callable[[Answers], Told]) -> None:
    answers, identity = IDENTITIES[name]
    told = serve(answers)
    assert str(Registry().get(name).identify(told.url(name), 5)) == identity
    assert told.authorization == {"Basic dTpwQA=="}


@pytest.mark.parametrize("name", HTTP)
def test_a_wrong_password_is_refused(name: str, serve: Callable[[Answers], Told]) -> None:
    answers, _ = IDENTITIES[name]
    told = serve(dict.fromkeys(answers, 401))
    with pytest.raises(Refused, match="user and password"):
        Registry().get(name).identify(told.url(name), 5)


@pytest.mark.parametrize("name", HTTP)
def test_a_server_that_starts_is_not_ready(name: str, serve: Callable[[Answers], Told]) -> None:
    answers, _ = IDENTITIES[name]
    with pytest.raises(NotReady):
        Registry().get(name).identify(serve(dict.fromkeys(answers, 503)).url(name), 5)


def test_a_database_that_is_not_there_is_named(serve: Callable[[Answers], Told]) -> None:
    with pytest.raises(Refused, match="no database 'shop'"):
        Registry().get("arangodb").identify(serve({"GET /_api/version": {}}).url("arangodb"), 5)


def test_opensearch_is_not_called_elasticsearch(serve: Callable[[Answers], Told]) -> None:
    told = serve({"GET /": {"version": {"number": "3.1.0", "distribution": "opensearch"}}})
    assert str(Registry().get("elasticsearch").identify(told.url("elasticsearch"), 5)) == "OpenSearch 3.1.0"


def test_an_emulator_is_not_called_couchdb(serve: Callable[[Answers], Told]) -> None:
    told = serve({"GET /": {"express-pouchdb": "Welcome!", "version": "4.2.0"}, "GET /_all_dbs": []})
    assert str(Registry().get("couchdb").identify(told.url("couchdb"), 5)) == "express-pouchdb 4.2.0"


def test_another_server_is_no_couchdb(serve: Callable[[Answers], Told]) -> None:
    with pytest.raises(Refused, match="this is no CouchDB"):
        Registry().get("couchdb").identify(serve({"GET /": {"name": "nginx"}}).url("couchdb"), 5)


def test_a_client_that_celery_cannot_use_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_celery_backends.probes.elasticsearch.version", lambda name: "9.5.1")
    with pytest.raises(Refused) as refused:
        Registry().get("elasticsearch").identify("elasticsearch://127.0.0.1:1", 1)
    assert refused.value.remedy == "pip install 'elasticsearch<9'"


KEY = "celery-task-meta-t1"
DOCUMENTS: Mapping[str, Answers] = {
    "arangodb": {
        "POST /_db/shop/_api/cursor": {"result": [{"_key": KEY, "task": META}], "hasMore": True, "id": "9"},
        "POST /_db/shop/_api/cursor/9": {"result": [{"_key": "celery-taskset-meta-g1", "task": "{}"}]},
    },
    "couchdb": {
        "GET /pcb1/_all_docs?include_docs=true": {
            "rows": [
                {"id": KEY, "doc": {"_rev": "1-a", "value": META}},
                {"id": "celery-taskset-meta-g1", "doc": {"_rev": "1-b", "value": "{}"}},
            ]
        },
        "POST /pcb1/_bulk_docs": [],
    },
    "elasticsearch": {
        "POST /pcb1/_refresh": {},
        "GET /pcb1/_search?size=10000": {
            "hits": {
                "hits": [
                    {"_id": KEY, "_source": {"result": json.loads(META)}},
                    {"_id": "celery-taskset-meta-g1", "_source": {"result": "{}"}},
                ]
            }
        },
    },
}
DELETED = {
    "arangodb": f"DELETE /_db/shop/_api/document/pcb1/{KEY}",
    "couchdb": "POST /pcb1/_bulk_docs",
    "elasticsearch": f"DELETE /pcb1/_doc/{KEY}",
}


@pytest.mark.parametrize("name", HTTP)
def test_documents_are_listed_and_deleted(name: str, serve: Callable[[Answers], Told]) -> None:
    told = serve(DOCUMENTS[name])
    probe = _probe(name, told.url(name))
    found = [(one.kind, one.task_id, one.state, one.expires_in) for one in probe.stored()]
    assert found == [("task", "t1", "SUCCESS", None), ("group", "g1", "", None)]
    held = probe.held("t1")
    assert held is not None
    assert (held.state, json.loads(held.raw)) == ("SUCCESS", json.loads(META))
    assert probe.held("t2") is None
    probe.remove("t1")
    assert told.asked[-1] == DELETED[name]
    probe.empty()
    with pytest.raises(NotImplementedError):
        probe.aged_copy("t1", 1)


@pytest.mark.parametrize("name", HTTP)
def test_a_namespace_that_is_not_there_is_empty_and_may_be_dropped(
    name: str, serve: Callable[[Answers], Told]
) -> None:
    probe = _probe(name, serve({}).url(name))
    assert probe.stored() == []
    probe.empty()
    probe.drop()
    probe.drop()


MADE: Mapping[str, list[str]] = {
    "arangodb": ["GET /_db/shop/_api/collection/pcb1", "POST /_db/shop/_api/collection"],
    "couchdb": ["GET /pcb1", "PUT /pcb1"],
    "elasticsearch": [],
}


@pytest.mark.parametrize("name", HTTP)
def test_a_namespace_is_made_where_celery_does_not(name: str, serve: Callable[[Answers], Told]) -> None:
    told = serve({})
    _probe(name, told.url(name)).create()
    assert told.asked == MADE[name]


SWEPT: Mapping[str, tuple[Answers, str]] = {
    "arangodb": (
        {
            "GET /_db/shop/_api/collection": {
                "result": [{"name": "orders"}, {"name": "pcb_1_x"}, {"name": "pcb_10"}]
            }
        },
        "DELETE /_db/shop/_api/collection/pcb_1_x",
    ),
    "couchdb": ({"GET /_all_dbs": ["orders", "pcb_1_x", "pcb_10"]}, "DELETE /pcb_1_x"),
    "elasticsearch": (
        {
            "GET /_cat/indices/pcb_1_*?format=json&h=index": [
                {"index": name} for name in ("orders", "pcb_1_x", "pcb_10")
            ]
        },
        "DELETE /pcb_1_x",
    ),
}


@pytest.mark.parametrize("name", HTTP)
def test_only_what_begins_with_the_prefix_is_swept(name: str, serve: Callable[[Answers], Told]) -> None:
    answers, deleted = SWEPT[name]
    told = serve(answers)
    Registry().get(name).sweep(told.url(name), "pcb_1_")
    assert [asked for asked in told.asked if not asked.startswith("GET")] == [deleted]
