"""What is told of round trips to a server, and by whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .spec import Namespace, Service


@dataclass(frozen=True, kw_only=True)
class Target:
    """Whose round trips are recorded: those of the backends that an app has for a namespace."""

    app: Any
    service: Service
    namespace: Namespace
    settings: Mapping[str, Any]


class Log(Protocol):
    """What is told of round trips and connections."""

    def command(self, text: str, explain: Callable[[], list[str]] | None = None) -> None:
        """One round trip; *explain* asks the server which tables it reads from end to end for that."""

    def opened(self, key: int, text: str) -> None:
        """A connection was opened; *key* tells it from others."""

    def closed(self, key: int) -> None:
        """A connection was closed."""

    def cannot_see_connections(self, reason: str) -> None:
        """Connections are not told of: asking for them is an error."""


#: Tells a log of what goes to and from a server, while it is entered.
Traffic = Callable[[Target, Log], AbstractContextManager[None]]
