"""What becomes of a value on its way through a real task, the serializer and the store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final

from celery import states
from kombu.serialization import registry

from ..comparison import difference
from ..lease import Lease
from .subject import Subject, failed

#: Gives a lease of the same app and backend with these settings on top.
WithSettings = Callable[[dict[str, Any]], AbstractContextManager[Lease]]

ECHO: Final = "pytest_celery_backends.echo"

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


@dataclass(frozen=True, kw_only=True)
class RoundTrip:
    """What happened to a value: ``error`` is what the task failed with, empty where it came back.

    ``raw`` is what the store held, read out of band; empty where the message was taken already.
    """

    value: Any
    serializer: str
    came_back: Any
    error: str
    raw: bytes = field(repr=False)


def round_trip(with_settings: WithSettings, value: Any, serializer: str, timeout: float) -> RoundTrip:
    """Return a value from a real task under a serializer, and read it back."""
    known = sorted(name for name in registry._encoders if "/" not in name)
    if serializer not in known:
        raise failed(f"no serializer is called {serializer!r}", [("registered", ", ".join(known))])
    with with_settings({"result_serializer": serializer, "result_accept_content": [serializer]}) as lease:

        def echo() -> Any:
            return value

        task = lease.app.task(echo, name=ECHO, shared=False, ignore_result=False)
        result = task.delay()
        lease.recorder.wait_until(lambda: lease.recorder.all_ready_since([result.id], 0), timeout)
        raw = lease.probe.state_of(result.id) or b""
        came_back = result.get(timeout=timeout, propagate=False)
        error = "" if result.state == states.SUCCESS else f"{type(came_back).__name__}: {came_back}"
        return RoundTrip(
            value=value,
            serializer=serializer,
            came_back=None if error else came_back,
            error=error,
            raw=raw,
        )


def assert_round_trip(trip: RoundTrip, subject: Subject, comes_back_as: Any) -> None:
    """Assert that the value came back as it should, types included."""
    headline = f"{trip.value!r} does not survive {trip.serializer} on {subject}"
    if trip.error:
        raise failed(
            headline, [("expected", repr(comes_back_as)), ("observed", f"the task failed: {trip.error}")]
        )
    where = difference(comes_back_as, trip.came_back)
    if where:
        raise failed(
            headline,
            [
                ("expected", repr(comes_back_as)),
                ("observed", repr(trip.came_back)),
                ("first difference", where),
                ("stored", repr(trip.raw[:200])),
            ],
        )
