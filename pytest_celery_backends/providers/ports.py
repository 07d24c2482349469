"""Ports that the system gives: no port is fixed."""

from __future__ import annotations

import socket
from collections.abc import Callable


def system_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago.

    >>> system_port() > 1023
    True
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def distinct_ports(count: int, free_port: Callable[[], int] = system_port) -> tuple[int, ...]:
    """Several free ports, no two the same.

    >>> len(set(distinct_ports(3)))
    3
    """
    ports: list[int] = []
    while len(ports) < count:
        port = free_port()
        if port not in ports:
            ports.append(port)
    return tuple(ports)
