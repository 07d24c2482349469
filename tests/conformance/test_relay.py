"""What stands between a client and a server, and is cut."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from pytest_celery_backends.conformance.relay import Relay


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A server's socket, bound and not yet listening."""
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        yield server


@pytest.fixture
def relay(server: socket.socket) -> Iterator[Relay]:
    """A relay to that server."""
    with closing(Relay(*server.getsockname())) as relay:
        yield relay


def connected(relay: Relay) -> socket.socket:
    """A client of the relay."""
    return socket.create_connection(("127.0.0.1", relay.port), timeout=5)


def test_a_server_that_takes_no_connection_ends_the_client_and_not_the_relay(
    server: socket.socket, relay: Relay
) -> None:
    with connected(relay) as client:
        assert client.recv(1) == b""
    server.listen()
    with connected(relay) as client, server.accept()[0] as there:
        client.sendall(b"asked")
        assert there.recv(5) == b"asked"
        there.sendall(b"answered")
        assert client.recv(8) == b"answered"


def test_what_is_refused_ends_and_what_comes_later_is_passed_on(server: socket.socket, relay: Relay) -> None:
    server.listen()
    relay.refuse()
    with connected(relay) as client:
        assert client.recv(1) == b""
    assert relay.refused == 1
    server.accept()[0].close()
    relay.resume()
    with connected(relay) as client, server.accept()[0] as there:
        there.sendall(b"here")
        assert client.recv(4) == b"here"
        assert relay.cut() == 1
        assert client.recv(1) == b""
