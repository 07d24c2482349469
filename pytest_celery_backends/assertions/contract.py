"""What every serializer owes to those who store results with it: the same value, or an error, and no third thing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from ..comparison import shown
from ..corpus import VALUES
from ..senders import Send
from ..serializers import dumps_fault, meant
from ..strategies import falsified
from ..trip import RoundTrip
from .subject import Subject, failed

#: How many broken promises a message lists.
LISTED: Final = 20
#: How many characters one of them takes.
WIDTH: Final = 160

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def check_names(except_for: Collection[str]) -> None:
    """See that these are names of values of the corpus."""
    for name in except_for:
        if name not in VALUES:
            raise failed(
                f"no value of the corpus is called {name!r}{meant(name, VALUES)}",
                [("known", ", ".join(VALUES))],
            )


def check_contract(
    send: Send, subject: Subject, serializer: str, examples: int, except_for: Collection[str]
) -> None:
    """Assert that every value of the corpus, and generated ones, come back the same or are refused loudly."""
    faults = list(_in_corpus(send, serializer, except_for))
    generated = (
        falsified(serializer, lambda value: _fault(send, serializer, value), examples) if examples else None
    )
    if generated is not None:
        value, fault = generated
        faults.append(("generated", f"{shown(value)}: {fault}"))
    if not faults:
        return
    rows = [(name, f"{text:.{WIDTH}}") for name, text in faults[:LISTED]]
    if len(faults) > LISTED:
        rows.append(("...", f"and {len(faults) - LISTED} more"))
    tried = f"{len(VALUES)} values of the corpus" + (f" and {examples} generated ones" if examples else "")
    raise failed(
        f"serializer {serializer!r} breaks its contract on {subject}: {len(faults)} of {tried}", rows
    )


def _in_corpus(send: Send, serializer: str, except_for: Collection[str]) -> Iterator[tuple[str, str]]:
    for name, make in VALUES.items():
        fault = _fault(send, serializer, make())
        if name in except_for and not fault:
            yield name, "is named in except_for, and holds"
        elif fault and name not in except_for:
            yield name, fault


def _fault(send: Send, serializer: str, value: Any) -> str:
    """What is wrong with what became of a value; empty where it is the same, or was refused."""
    return dumps_fault(serializer, value) or fault_of(send(value))


def fault_of(trip: RoundTrip) -> str:
    """Why nobody would want what became of a value; empty where it came back or was refused loudly.

    >>> fault_of(RoundTrip(value=1, via="result", serializer="x", outcome="changed", difference="int -> str"))
    'silently changed: int -> str'
    """
    if trip.outcome == "changed":
        return f"silently changed: {trip.difference}"
    if trip.is_lost:
        return f"lost, a client waits for ever: {trip.error}"
    if trip.rejected_at == "read":
        return f"stored, and no client can read it: {trip.error}"
    return ""
