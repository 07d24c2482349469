"""Reads a key prefix of a Memcached server, which lists its keys only through its LRU crawler."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from ..errors import Unavailable
from ..masking import masked
from ..sources import Identity
from ..spec import Copied, Held, NotReady, ProbeContext, Refused, StoredResult
from .keys import held_in, missing, result_at, task_keys

#: Seconds after which a silent server is given up, and after which a busy crawler is.
LIMIT: Final = 10.0
_PORT: Final = 11211
_LISTED: Final = re.compile(rb"key=(\S+) exp=(-?\d+)")


def address(url: str) -> tuple[str, int]:
    """Host and port that a URL names.

    >>> address("cache+memcached://127.0.0.1:4711/"), address("memcached://cache")
    (('127.0.0.1', 4711), ('cache', 11211))
    """
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or _PORT


def connected(url: str, limit: float) -> Any:
    """A pymemcache client of its own, for any thread; *limit* is in seconds for connecting and for every answer."""
    from pymemcache.client.base import PooledClient

    return PooledClient(address(url), connect_timeout=limit, timeout=limit, default_noreply=False)


def identify(url: str, limit: float) -> Identity:
    """What the server at *url* says it is: it has no passwords that could be wrong."""
    from pymemcache import exceptions

    client = connected(url, limit)
    try:
        version = client.version().decode(errors="replace")
    except exceptions.MemcacheUnexpectedCloseError as error:
        failure: Exception = NotReady(str(error) or "the server hung up")
    except exceptions.MemcacheError as error:
        failure = Refused(f"this is no Memcached: {error}", client_command(masked(url)))
    except OSError as error:
        failure = NotReady(str(error) or type(error).__name__)
    else:
        return Identity(product="Memcached", version=version)
    finally:
        client.close()
    raise failure


def client_command(url: str) -> str:
    """What lists the keys of the server at *url*.

    >>> client_command("memcached://127.0.0.1:4711")
    "printf 'lru_crawler metadump hash\\\\r\\\\nquit\\\\r\\\\n' | nc 127.0.0.1 4711"
    """
    host, port = address(url)
    return rf"printf 'lru_crawler metadump hash\r\nquit\r\n' | nc {host} {port}"


def sweep(url: str, prefix: str) -> None:
    """Remove every key that begins with a prefix."""
    client = connected(url, LIMIT)
    try:
        for item in listed(url, prefix):
            client.delete(item.key)
    finally:
        client.close()


@dataclass(frozen=True, kw_only=True, order=True)
class Item:
    """A key, and when it expires in seconds since 1970: -1 for never."""

    key: str
    expires: int


def listed(url: str, prefix: str) -> list[Item]:
    """The keys that begin with a prefix, by name.

    The crawler walks the table of keys, not ("all") the lists of the least recently used ones: while those are
    reordered it misses some. It serves one client at a time and tells others that it is busy; they ask again.
    What has expired may be listed still (https://github.com/memcached/memcached/blob/master/doc/protocol.txt).

    Raises Unavailable where the server has no crawler, as with ``-o no_lru_crawler``.
    """
    deadline = time.monotonic() + LIMIT
    while True:
        found = _metadump(url)
        if found is not None:
            # While the table grows a key may be told twice.
            return sorted({item for item in found if item.key.startswith(prefix)})
        if time.monotonic() > deadline:
            raise Unavailable(
                f"{masked(url)} did not list its keys within {LIMIT:g} s: others keep its crawler busy",
                remedy=client_command(url),
            )
        time.sleep(0.005)


def _metadump(url: str) -> list[Item] | None:
    """Every key of the server; None where the crawler works for somebody else."""
    with socket.create_connection(address(url), timeout=LIMIT) as connection:
        connection.sendall(b"lru_crawler metadump hash\r\n")
        items = []
        for line in _lines(connection):
            if line.startswith(b"BUSY"):
                return None
            entry = _LISTED.match(line)
            if entry is None:
                reason = line.decode(errors="replace")
                raise Unavailable(
                    f"{masked(url)} does not list its keys", tried=[reason], remedy="memcached -o lru_crawler"
                )
            items.append(Item(key=unquote(entry[1].decode()), expires=int(entry[2])))
    return items


def _lines(connection: socket.socket) -> Iterator[bytes]:
    """What the server says, line by line, up to END."""
    with connection.makefile("rb") as answer:
        for line in answer:
            if line.rstrip() == b"END":
                return
            yield line.rstrip()
    raise ConnectionError("the server hung up while it listed its keys")


class MemcachedProbe:
    """Everything whose key begins with the namespace and a colon."""

    def __init__(self, context: ProbeContext) -> None:
        self._context = context
        self._prefix = f"{context.namespace.name}:"
        self._client: Any = None

    @property
    def client(self) -> Any:
        """A pymemcache client; what it gives are bytes."""
        if self._client is None:
            self._client = connected(self._context.service.url, LIMIT)
        return self._client

    def create(self) -> None:
        """Nothing: a prefix needs no making."""

    def empty(self) -> None:
        """Remove the namespace's keys, one by one: flushing would take those of others too."""
        for item in self._items():
            self.client.delete(item.key)

    def drop(self) -> None:
        """Remove the namespace's keys and disconnect, also where the server is gone."""
        try:
            self.empty()
        finally:
            if self._client is not None:
                self._client.close()
                self._client = None

    def stored(self) -> Sequence[StoredResult]:
        """Every key, with the server's own time to live, which it counts in whole seconds."""
        return [
            result_at(item.key, raw, self._context.decode, self._left(item.key))
            for item in self._items()
            if (raw := self.client.get(item.key)) is not None
        ]

    def held(self, task_id: str) -> Held | None:
        """The encoded result of a task as it is stored, None where there is none."""
        found = (self.client.get(key) for key in task_keys(self._context.namespace.name, task_id))
        value = next((value for value in found if value is not None), None)
        return held_in(value, self._context.decode)

    def aged_copy(self, task_id: str, seconds: float, kind: Copied = "task") -> str:
        """Store a copy that has *seconds* less to live; the server drops it at once if none are left.

        Raises:
            LookupError: nothing is stored for the task.
        """
        for key in task_keys(self._context.namespace.name, task_id, kind):
            value = self.client.get(key)
            if value is not None:
                copy, left = str(uuid4()), self._left(key)
                target = key.removesuffix(task_id) + copy
                # 0 would stand for never.
                expire = 0 if left is None else int(left - seconds) if left - seconds >= 1 else -1
                self.client.set(target, value, expire=expire)
                return copy
        raise missing(task_id)

    def advance(self, seconds: float) -> None:
        """Give every key *seconds* less to live; those that have none left go."""
        for item in self._items():
            left = self._left(item.key)
            if left is None:
                continue
            if left - seconds >= 1:  # 0 would stand for never
                self.client.touch(item.key, expire=int(left - seconds))
            else:
                self.client.delete(item.key)

    def remove(self, task_id: str, kind: Copied = "task") -> None:
        """Remove a task's result; nothing happens where there is none."""
        for key in task_keys(self._context.namespace.name, task_id, kind):
            self.client.delete(key)

    def _items(self) -> list[Item]:
        return listed(self._context.service.url, self._prefix)

    def _left(self, key: str) -> float | None:
        """Seconds to live, None for ever; asked for without making the item the latest used one."""
        answer = self.client.raw_command(f"mg {key} t")
        left = re.match(rb"HD t(\d+)", answer)
        return None if left is None else float(left[1])
