"""Lets go of the sockets of python-memcached, Celery's client for Memcached before 5.7."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .celery_release import celery_release

if TYPE_CHECKING:
    from .spec import Side


def close_in_each_thread(backend: Any, side: Side) -> None:
    """Give the backend's client a ``close()`` that closes what it opened in any thread.

    The client is a ``threading.local``: it opens a socket in each thread that uses it, and only that thread can
    close its own. What a thread that ends leaves is closed by the garbage collector, with a ResourceWarning.
    """
    if celery_release() >= (5, 7) or find_spec(
        "pylibmc"
    ):  # Celery has another client then: one for all threads
        return
    from memcache import Client  # type: ignore[import-not-found]

    backend.Client = functools.partial(_client, Client)


def _client(client: Any, *args: Any, behaviors: Any = None, **options: Any) -> Any:
    """A client that notes its servers in each thread; as in Celery, what is meant for pylibmc is dropped."""
    opened: list[Any] = []

    class ClosingClient(client):  # type: ignore[misc]
        def set_servers(self, servers: Any) -> None:
            super().set_servers(servers)
            opened.extend(self.servers)

        def close(self) -> None:
            for server in opened:
                server.close_socket()

    return ClosingClient(*args, **options)
