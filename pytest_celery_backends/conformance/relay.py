"""A relay between clients and a server, whose connections can be cut: what a network does at its worst."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .. import ResultBackend
from .concerned import unsupported
from .second_app import second_app

#: One server in a URL; there are several where a master is asked for.
_PLACE = re.compile(r"(?:@|//)(\[[\da-f:]+\]|[^@:/;,?]+):(\d+)(?=[/?]|$)")

#: Seconds for the server to take a connection.
CONNECT_LIMIT = 5.0


class Relay:
    """Passes on what comes, until it is told to cut the connections there are, or to take no more."""

    def __init__(self, host: str, port: int) -> None:
        self._there = host, port
        self._server = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._is_refusing = False
        self.refused = 0  #: how many connections were ended as soon as they came
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self._server.getsockname()[1])

    def cut(self) -> int:
        """Close each connection that there is, and tell how many there were."""
        with self._lock:
            ended, self._open = self._open, []
        for each in ended:
            with suppress(OSError):  # its other end is gone
                each.shutdown(socket.SHUT_RDWR)
        return len(ended) // 2

    def refuse(self) -> None:
        """Cut all connections, and end new ones as soon as they come."""
        with self._lock:
            self._is_refusing = True
        self.cut()

    def resume(self) -> None:
        """Take connections again."""
        with self._lock:
            self._is_refusing = False

    def close(self) -> None:
        """End everything."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()
        self._thread.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:  # it was closed
                return
            self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._there, CONNECT_LIMIT)
        except OSError:  # the server takes none, so there is none to take
            client.close()
            return
        server.settimeout(None)
        with self._lock:
            is_refused = self._is_refusing
            self.refused += is_refused
            if not is_refused:
                self._open += [client, server]
        if is_refused:
            client.close()
            server.close()
            return
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):  # one of both has ended
        while data := one.recv(65536):
            other.sendall(data)
    for each in (one, other):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    one.close()


@contextmanager
def relayed(result_backend: ResultBackend, **settings: Any) -> Iterator[tuple[Any, Relay]]:
    """An app that reaches the test's place in the store over a relay, and the relay.

    The check is unsupported where the URL of the backend does not say at which one host and port its server is.
    """
    places = list(_PLACE.finditer(result_backend.url))
    if len(places) != 1 or ";" in result_backend.url:
        unsupported("its URL names no server, or several")
    (place,) = places
    relay = Relay(place[1].strip("[]"), int(place[2]))
    start, end = place.span(1)[0], place.span(2)[1]
    url = f"{result_backend.url[:start]}127.0.0.1:{relay.port}{result_backend.url[end:]}"
    try:
        with second_app(result_backend, result_backend=url, **settings) as app:
            yield app, relay
    finally:
        relay.close()
