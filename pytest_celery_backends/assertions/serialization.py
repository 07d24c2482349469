"""What becomes of a value on its way through a real task, the serializer and the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..capabilities import Capability
from ..comparison import SAME, difference, shown
from ..errors import Unsupported
from ..roads import ROADS
from ..serializers import check, meant, of_messages, of_results
from ..spec import BackendSpec
from ..trip import RoundTrip
from .subject import Subject, failed

#: How much of what is stored a message shows, in bytes.
RAW: Final = 200

#: By whom a value was rejected, in words.
REJECTED: Final[Mapping[str, str]] = {
    "publish": "the client could not send it",
    "worker": "rejected by the worker",
    "store": "rejected by the store",
    "read": "stored, and no client can read it",
}

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def settings_for(spec: BackendSpec, conf: Any, via: str, serializer: str | None) -> dict[str, Any]:
    """Celery's settings for a road, on top of those of the test (*conf* is the app's).

    Raises:
        AssertionError: there is no such road or serializer.
        Unsupported: the backend cannot do it.
    """
    if via not in ROADS:
        raise failed(
            f"no value goes via {via!r}{meant(via, ROADS)}", [("takes", ", ".join(map(repr, ROADS)))]
        )
    road = ROADS[via]
    if road.needs is not None:
        require(spec, road.needs, f"a round trip via {via!r}", 'via="result"')
    if serializer is None:
        return dict(road.settings)
    check(serializer)
    settings = dict(road.settings)
    if "results" in road.parts:
        if serializer != conf.result_serializer:
            what, remedy = f"serializer={serializer!r}", "round_trip(value)  # with the app's own"
            require(spec, Capability.SERIALIZERS, what, remedy)
        settings |= of_results(serializer)
    if "messages" in road.parts:
        settings |= of_messages(serializer, conf.accept_content)
    return settings


def require(spec: BackendSpec, capability: Capability, what: str, remedy: str) -> None:
    """See that a backend can do what is asked of it.

    Raises:
        Unsupported: it cannot, for the reason that it declares.
    """
    verdict = spec.verdict(capability)
    if not verdict:
        raise Unsupported(f"{what} is not possible on {spec.name}: {verdict.reason}", remedy=remedy)


def check_value(value: Any, via: str) -> None:
    """Refuse to raise what is no exception, or what ends a worker."""
    if via == "exception" and not isinstance(value, Exception):
        raise failed(f"{shown(value)} cannot be raised by a task", [("takes", "an instance of Exception")])


def check_task_id(task_id: str | None, via: str) -> None:
    """Refuse one id for a road of several tasks."""
    if task_id is not None and not ROADS[via].is_single:
        raise ValueError(f"via={via!r} takes several tasks, which share no id; type: via='result'")


def assert_round_trip(trip: RoundTrip, subject: Subject, comes_back_as: Any) -> None:
    """Assert that the value came back as it should, types included."""
    wanted = trip.value if comes_back_as is SAME else comes_back_as
    if trip.outcome == "rejected":
        raise failed(headline(trip, subject), [("expected", shown(wanted, RAW)), *rejection(trip)])
    parts = trip.difference if comes_back_as is SAME else difference(wanted, trip.came_back)
    if parts:
        rows = [
            ("expected", shown(wanted, RAW)),
            ("observed", shown(trip.came_back, RAW)),
            ("first difference", parts),
            ("stored", repr(trip.raw[:RAW])),
        ]
        raise failed(headline(trip, subject), rows)


def headline(trip: RoundTrip, subject: Subject) -> str:
    """What does not hold."""
    road = "" if trip.via == "result" else f" via {trip.via}"
    return f"{shown(trip.value)} does not survive {trip.serializer}{road} on {subject}"


def rejection(trip: RoundTrip) -> list[tuple[str, str]]:
    """What a value was rejected by, and what a client has of it."""
    rows = [("observed", f"{REJECTED[trip.rejected_at]}: {' '.join(trip.error.split()):.{RAW}}")]
    if trip.is_lost:
        rows.append(("so that", "nothing is stored, and a client waits for ever"))
    if trip.raw:
        rows.append(("stored", repr(trip.raw[:RAW])))
    return rows


def assert_compressed(trip: RoundTrip, subject: Subject, method: str, saves: int) -> None:
    """Assert that what is stored is compressed by a method, that it is smaller for it, and that it reads back."""
    assert_round_trip(trip, subject, SAME)
    if not trip.compression:
        raise failed(
            f"what is stored on {subject} is not compressed",
            [
                ("expected", f"result_compression={method!r} in what the store holds"),
                ("observed", f"{trip.size} bytes as they were"),
                ("stored", repr(trip.raw[:RAW])),
            ],
        )
    if trip.saved < saves:
        raise failed(
            f"{trip.compression} saves too little on {subject}",
            [
                ("expected", f"at least {saves} bytes less"),
                ("observed", f"{trip.plain_size} -> {trip.size} bytes, {trip.saved} less"),
            ],
        )
