"""Memcached: what Celery asks of the cache, and the connections of the client that it has on this release."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from ..celery_release import celery_release
from ..class_patches import ClassPatches
from ..round_trips import Log, Target
from . import stores
from .connections import watch_connections


@contextmanager
def watching(target: Target, log: Log) -> Iterator[None]:
    """See each access, which takes one round trip, and each connection to the server's port."""
    port = int(target.service.url.rstrip("/").rpartition(":")[2])
    patches = ClassPatches()
    try:
        if celery_release() >= (5, 7):
            _watch_pymemcache(patches, log, lambda client: tuple(client.server)[-1] == port)
        elif find_spec("pylibmc"):  # Celery's first choice before 5.7
            log.cannot_see_connections("pylibmc opens them in C, and tells nobody")
        else:
            _watch_python_memcached(patches, log, lambda host: getattr(host, "port", None) == port)
        with stores.watching(target, log):
            yield
    finally:
        patches.put_back()


def _watch_pymemcache(patches: ClassPatches, log: Log, is_ours: Callable[[Any], bool]) -> None:
    from pymemcache.client.base import Client

    def shown(client: Any) -> str:
        return ":".join(map(str, client.server))

    watch_connections(patches, Client, log, is_ours, shown, opens="_connect")


def _watch_python_memcached(patches: ClassPatches, log: Log, is_ours: Callable[[Any], bool]) -> None:
    from memcache import _Host  # type: ignore[import-not-found]

    get, close = _Host._get_socket, _Host.close_socket

    def observed_get(host: Any) -> Any:
        was_open = bool(host.socket)
        answer = get(host)
        if answer and not was_open and is_ours(host):
            log.opened(id(host), f"{host.ip}:{host.port}")
        return answer

    def observed_close(host: Any) -> Any:
        log.closed(id(host))
        return close(host)

    patches.replace(_Host, "_get_socket", observed_get)
    patches.replace(_Host, "close_socket", observed_close)
