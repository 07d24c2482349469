"""Redis and Valkey: what redis-py writes to its sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from ..class_patches import ClassPatches
from ..round_trips import Log, Target


@contextmanager
def watching(target: Target, log: Log) -> Iterator[None]:
    """See each write as one round trip: a pipeline is written at once.

    What a new connection says first (HELLO, AUTH, CLIENT SETINFO) belongs to it and is not counted.
    """
    from redis.connection import AbstractConnection

    send, connect, disconnect = (
        getattr(AbstractConnection, name) for name in ("send_packed_command", "connect", "disconnect")
    )
    greeting = threading.local()
    port = None if ";" in target.service.url else urlsplit(target.service.url).port

    def is_ours(connection: Any) -> bool:
        return port is None or getattr(connection, "port", port) == port

    def observed_send(connection: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
        if is_ours(connection) and not getattr(greeting, "is_on", False):
            log.command("; ".join(commands_in(command)))
        return send(connection, command, *args, **kwargs)

    def observed_connect(connection: Any, *args: Any, **kwargs: Any) -> Any:
        was_open = bool(connection._sock)
        is_within_another = getattr(
            greeting, "is_on", False
        )  # a connection to a master asks the sentinels first
        greeting.is_on = True
        try:
            answer = connect(connection, *args, **kwargs)
        finally:
            greeting.is_on = is_within_another
        if not was_open and is_ours(connection):
            log.opened(id(connection), repr(connection))
        return answer

    def observed_disconnect(connection: Any, *args: Any, **kwargs: Any) -> Any:
        log.closed(id(connection))
        return disconnect(connection, *args, **kwargs)

    patches = ClassPatches()
    try:
        patches.replace(AbstractConnection, "send_packed_command", observed_send)
        patches.replace(AbstractConnection, "connect", observed_connect)
        patches.replace(AbstractConnection, "disconnect", observed_disconnect)
        yield
    finally:
        patches.put_back()


def commands_in(packed: Any) -> list[str]:
    """The commands in what is sent, each with its first argument, and how many bytes the others are.

    >>> commands_in([b"*3\\r\\n$3\\r\\nSET\\r\\n$1\\r\\na\\r\\n$2\\r\\nxy\\r\\n*1\\r\\n$4\\r\\nPING\\r\\n"])
    ['SET a (2 bytes)', 'PING']
    """
    parts = [packed] if isinstance(packed, (bytes, str)) else packed
    data = b"".join(part.encode() if isinstance(part, str) else bytes(part) for part in parts)
    found, at = [], 0
    while at < len(data):
        at, count = _number(data, at)
        words = []
        for _ in range(count):
            at, length = _number(data, at)
            words.append(data[at : at + length])
            at += length + 2
        found.append(_shown(words))
    return found


def _number(data: bytes, at: int) -> tuple[int, int]:
    end = data.index(b"\r\n", at)
    return end + 2, int(data[at + 1 : end])


def _shown(words: list[bytes]) -> str:
    name, *arguments = words
    text = name.decode(errors="replace")
    if not arguments or text in ("AUTH", "HELLO"):  # these carry the password
        return text
    first = arguments[0].decode(errors="replace")[:120]
    rest = sum(map(len, arguments[1:]))
    return f"{text} {first} ({rest} bytes)" if len(arguments) > 1 else f"{text} {first}"
