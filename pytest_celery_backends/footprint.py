"""What a process has beside what is stored: threads, and connections to a server."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

#: Text: each test looks through it before it begins, and paths take twice as long as the kernel.
_DESCRIPTORS: Final = "/proc/self/fd"
_NETWORK: Final = Path("/proc/self/net")
#: The kernel's name for a connection that is open at both ends (``include/net/tcp_states.h``).
_ESTABLISHED: Final = "01"


class Footprint:
    """What this process had at one moment, to see later what came on top.

    Connections are seen where the kernel tells of them, on Linux.

    Arguments:
        url: of the server whose connections count; one without a port has none that do.
    """

    def __init__(self, url: str) -> None:
        self._ports = {int(port) for port in re.findall(r":(\d+)(?=[/;,?]|$)", url)}
        self._threads = set(threading.enumerate())
        self._sockets = set(_sockets()) if self._ports else set()

    def new_threads(self) -> list[threading.Thread]:
        """The threads that were started since and run still; those that would not let Python end."""
        here = threading.current_thread()
        return [
            thread
            for thread in threading.enumerate()
            if thread not in self._threads and not thread.daemon and thread is not here
        ]

    def new_connections(self) -> list[str]:
        """The connections to the server that were opened since and are open still, as ``from -> to``."""
        new = set(_sockets()) - self._sockets if self._ports else set()
        return (
            [shown for inode, port, shown in _connections() if inode in new and port in self._ports]
            if new
            else []
        )


def _sockets() -> Iterator[str]:
    """The inode of each socket of this process."""
    with suppress(FileNotFoundError):
        for name in os.listdir(_DESCRIPTORS):
            try:
                found = os.readlink(f"{_DESCRIPTORS}/{name}")
            except OSError:  # closed since it was listed
                continue
            if found.startswith("socket:["):
                yield found[8:-1]


def _connections() -> Iterator[tuple[str, int, str]]:
    """Inode, remote port and both ends of each open connection."""
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        with suppress(FileNotFoundError):
            for line in (_NETWORK / table).read_text().splitlines()[1:]:
                _, here, there, state, *rest = line.split()
                if state == _ESTABLISHED:
                    yield rest[5], _port(there), f"{_shown(here, family)} -> {_shown(there, family)}"


def _port(end: str) -> int:
    """
    >>> _port("0100007F:1A0B")
    6667
    """
    return int(end.rpartition(":")[2], 16)


def _shown(end: str, family: socket.AddressFamily) -> str:
    """
    >>> _shown("0100007F:1A0B", socket.AF_INET)
    '127.0.0.1:6667'
    """
    words = bytes.fromhex(end.rpartition(":")[0])
    address = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    return f"{socket.inet_ntop(family, address)}:{_port(end)}"
