"""Sends many values with the same settings: a lease is taken once, and again where a value has spoilt it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .lease import Lease
    from .trip import RoundTrip
    from .trips import Trips

#: Gives a lease of the same app and backend with these settings on top.
WithSettings = Callable[[dict[str, Any]], AbstractContextManager["Lease"]]
#: Sends a value, with options of ``apply_async`` or none.
Send = Callable[..., "RoundTrip"]


@contextmanager
def sender(with_settings: WithSettings, settings: dict[str, Any], via: str, timeout: float) -> Iterator[Send]:
    """A function that sends one value after the other on a lease with these settings."""
    from .trips import Trips

    with ExitStack() as taken:
        trips: list[Trips] = []

        def send(value: Any, options: Mapping[str, Any] | None = None) -> RoundTrip:
            if not trips or trips[-1].is_spent:
                taken.close()
                trips.append(Trips(taken.enter_context(with_settings(settings)), via, timeout))
            return trips[-1].send(value, options)

        yield send
