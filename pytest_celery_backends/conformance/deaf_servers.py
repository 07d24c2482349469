"""Servers that do not do what one does: they never answer, or hang up at once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress


@contextmanager
def never_accepting() -> Iterator[tuple[str, int]]:
    """Host and port of a server whose queue of connections is full: connecting takes until the client gives up."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        host, port = server.getsockname()
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect((host, port))
        yield host, port


class Calls:
    """How often a server was called."""

    count = 0


@contextmanager
def hanging_up() -> Iterator[tuple[str, int, Calls]]:
    """Host and port of a server that ends each connection at once, and the count of those."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        calls = Calls()
        thread = threading.Thread(target=_hang_up, args=(server, calls), daemon=True)
        thread.start()
        try:
            yield host, port, calls
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)


def _hang_up(server: socket.socket, calls: Calls) -> None:
    with suppress(OSError):  # until it is closed
        while True:
            connection, _ = server.accept()
            calls.count += 1
            connection.close()
