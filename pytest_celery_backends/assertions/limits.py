"""How large a result may be: found by trying, since no backend says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ..senders import Send
from ..trip import RoundTrip
from .subject import failed

#: The smallest text that is tried, in characters.
SMALLEST: Final = 64


@dataclass(frozen=True, kw_only=True)
class SizeLimit:
    """The largest text that came back, and what became of one that is a character longer.

    Attributes:
        length: of the text, in characters, each of which is a byte.
        size: what the store held of its task, in bytes, meta and all.
        beyond: what became of the next longer text, None where none was too long.
    """

    length: int
    size: int
    beyond: RoundTrip | None

    def __str__(self) -> str:
        if self.beyond is None:
            return f"{self.length} characters come back, and more may"
        became = self.beyond.error or self.beyond.difference
        return f"{self.length} characters come back ({self.size} bytes stored), one more does not: {became}"


def size_limit(send: Send, up_to: int) -> SizeLimit:
    """The length from which on a text of ASCII does not come back the same, found in some twenty steps.

    Raises:
        AssertionError: not even a short text comes back.
    """
    kept = send(_text(SMALLEST))
    if kept.outcome != "same":
        raise failed(
            f"not even {SMALLEST} characters come back", [("observed", kept.error or kept.difference)]
        )
    beyond = send(_text(up_to))
    if beyond.outcome == "same":
        return SizeLimit(length=up_to, size=beyond.size, beyond=None)
    low, high = SMALLEST, up_to
    while high - low > 1:
        middle = (low + high) // 2
        trip = send(_text(middle))
        if trip.outcome == "same":
            low, kept = middle, trip
        else:
            high, beyond = middle, trip
    return SizeLimit(length=low, size=kept.size, beyond=beyond)


def _text(length: int) -> Any:
    return "x" * length
