"""Ports that the system gives: no port is fixed."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from typing import Final

#: Below those that systems take for connections (Linux from 32768 on, others from 49152 on).
_LASTING: Final = range(20_000, 32_768)


def system_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago.

    >>> system_port() > 1023
    True
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def lasting_port() -> int:
    """A free port that no connection takes before a server does.

    Docker, left to choose, publishes on one port after the other and gives up after ten that are taken. It counts
    for each address apart: many servers on 127.0.0.1 leave the reaper of testcontainers none on 0.0.0.0.

    >>> lasting_port() in range(20_000, 32_768)
    True
    """
    for port in random.SystemRandom().sample(_LASTING, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    return system_port()


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
