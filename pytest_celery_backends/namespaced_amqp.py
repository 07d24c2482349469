"""A real AMQP broker for kombu, on which everything that Celery names is in a namespace of ours.

Only names are changed: what Celery declares, binds, publishes and consumes goes to the broker as it is, and
the broker routes it. Neither a foreign queue of the same name nor a production worker on the same virtual
host can meet a test's message.
"""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES, pyamqp

from .amqp_names import PREFIX, names_of, split_virtual_host
from .namespaced_channel import NamespacedChannel

_ALIASES: Final = {f"{PREFIX}amqp": "Transport", f"{PREFIX}amqps": "SSLTransport"}


class _Connection(pyamqp.Connection):  # type: ignore[misc]
    """A connection to a namespace. Publishing waits until the broker has the message in its queue.

    Else nobody could tell that nothing is left to do: 0.3 ms for a message, 0.7 ms for one that is kept on
    disk (https://www.rabbitmq.com/docs/confirms).
    """

    Channel = NamespacedChannel

    def __init__(self, *args: Any, virtual_host: str = "", **kwargs: Any) -> None:
        host, namespace = split_virtual_host(virtual_host)
        self.names = names_of(namespace)
        kwargs["confirm_publish"] = True
        super().__init__(*args, virtual_host=host, **kwargs)


class Transport(pyamqp.Transport):  # type: ignore[misc]
    """Connects to a namespace of a broker; a drain can be ended from another thread."""

    Connection = _Connection

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._interrupted = False
        self._bell: tuple[socket.socket, socket.socket] | None = None

    def interrupt(self) -> None:
        """Make the drain that is under way, or the next one, end with ``socket.timeout``."""
        self._interrupted = True
        if (bell := self._bell) is not None:
            # it rings already, or the connection is being closed and nobody drains it
            with suppress(OSError):
                bell[1].send(b"!")

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:
        """Deliver one message, or raise ``socket.timeout`` after *timeout* seconds without any."""
        if self._bell is None:
            self._bell = socket.socketpair()
            for end in self._bell:
                end.setblocking(False)
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            if self._interrupted:
                self._interrupted = False
                raise TimeoutError
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if self._is_readable(connection, self._bell[0], left):
                if connection.blocking_read(left or None):
                    return
            elif not self._interrupted and deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError

    @staticmethod
    def _is_readable(connection: Any, bell: socket.socket, timeout: float | None) -> bool:
        """Wait for the broker or the bell; whether the broker has sent something."""
        sock = connection.sock
        if sock is None:
            return True  # reading says what is wrong
        if getattr(sock, "pending", int)():
            return True  # TLS has read ahead
        poller = select.poll()
        poller.register(sock, select.POLLIN)
        poller.register(bell, select.POLLIN)
        ready = {number for number, _ in poller.poll(None if timeout is None else timeout * 1000)}
        if bell.fileno() in ready:
            bell.recv(4096)
        return sock.fileno() in ready

    def close_connection(self, connection: Any) -> None:
        try:
            super().close_connection(connection)
        finally:
            self._close_bell()

    def _collect(self, connection: Any) -> None:
        super()._collect(connection)
        self._close_bell()

    def _close_bell(self) -> None:
        bell, self._bell = self._bell, None
        for end in bell or ():
            end.close()


class SSLTransport(Transport, pyamqp.SSLTransport):  # type: ignore[misc]
    """The same over TLS."""


def install() -> None:
    """Make the schemes known to kombu."""
    for scheme, name in _ALIASES.items():
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{name}"


def uninstall() -> None:
    """Make kombu forget the schemes."""
    for scheme in _ALIASES:
        TRANSPORT_ALIASES.pop(scheme, None)
