"""Servers that are asked over HTTP: each request, whatever library sends it over ``http.client``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

from ..class_patches import ClassPatches
from ..round_trips import Log, Target
from .connections import watch_connections


@contextmanager
def watching(target: Target, log: Log) -> Iterator[None]:
    """See each request to the server's port; to any server where the URL names none, as with a cloud's."""
    ports = {int(port) for port in re.findall(r":(\d{2,5})(?=[/;?]|$)", target.service.url)}
    request, header, end = HTTPConnection.putrequest, HTTPConnection.putheader, HTTPConnection.endheaders

    def is_ours(connection: HTTPConnection) -> bool:
        return connection.port in ports if ports else connection.host != "localhost"

    begun: dict[int, str] = {}

    def observed_request(connection: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        begun[id(connection)] = f"{method} {url.partition('?')[0]}"  # what follows may hold a signature
        return request(connection, method, url, *args, **kwargs)

    def observed_header(connection: Any, name: Any, *values: Any) -> Any:
        # DynamoDB's operations all have one address; a request that began before the recording is none of it
        if str(name).lower() == "x-amz-target" and id(connection) in begun:
            begun[id(connection)] += f" {_text(values[0]).rpartition('.')[2]}"
        return header(connection, name, *values)

    def observed_end(connection: Any, *args: Any, **kwargs: Any) -> Any:
        command = begun.pop(id(connection), "")
        if command and is_ours(connection):
            log.command(command)
        return end(connection, *args, **kwargs)

    patches = ClassPatches()
    try:
        patches.replace(HTTPConnection, "putrequest", observed_request)
        patches.replace(HTTPConnection, "putheader", observed_header)
        patches.replace(HTTPConnection, "endheaders", observed_end)
        for kind in (HTTPConnection, *_connecting_themselves()):
            closes = ("close",) if kind is HTTPConnection else ()
            watch_connections(
                patches, kind, log, is_ours, lambda each: f"{each.host}:{each.port}", closes=closes
            )
        yield
    finally:
        patches.put_back()


def _connecting_themselves() -> tuple[type, ...]:
    """Subclasses that connect without asking the class above them: urllib3's, beneath requests, botocore and most."""
    try:
        from urllib3.connection import HTTPConnection as Plain
        from urllib3.connection import HTTPSConnection as Encrypted
    except ImportError:
        return ()
    return tuple(kind for kind in (Plain, Encrypted) if "connect" in vars(kind))


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
