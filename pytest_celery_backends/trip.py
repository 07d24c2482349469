"""What became of a value that was sent through a task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .decoding import compression_of, unpacked

Outcome = Literal["same", "changed", "rejected"]
#: Who refused a value: the client that sent it, the worker, the store, or the client that read it.
Where = Literal["", "publish", "worker", "store", "read"]


@dataclass(frozen=True, kw_only=True)
class RoundTrip:
    """What became of a value that was sent through a real task.

    Attributes:
        value: what was sent.
        via: the road that it took, as ``round_trip`` was told.
        serializer: what was in force there.
        outcome: "same" in value and type, "changed", or "rejected": an error said so.
        rejected_at: by whom: "publish" (the client could not send it), "worker" (which could not read the message, or
            not write the result), "store" or "read" (it is stored, and nobody can read it); else empty.
        error: the error's type and text where it was rejected, else empty.
        is_lost: whether nothing was stored of it, so that a client waits for ever.
        difference: the first place where what came back differs, else empty.
        came_back: what came back, None where nothing did.
        traceback: the text of the traceback that came back with an exception.
        raw: what the store held of the task, as it stands there, meta and all; for an argument the message's body;
            empty where the worker or the store rejected it.
        size: of that, in bytes; plain_size: before it was compressed.
        content_type, content_encoding: what a reader takes it for; empty where the backend has ways of its own.
        compression: the name of the method by which it is compressed, else empty.
    """

    value: Any
    via: str
    serializer: str
    outcome: Outcome
    rejected_at: Where = ""
    error: str = ""
    is_lost: bool = False
    difference: str = ""
    came_back: Any = None
    traceback: str = field(default="", repr=False)
    raw: bytes = field(default=b"", repr=False)
    size: int = 0
    plain_size: int = 0
    content_type: str = ""
    content_encoding: str = ""
    compression: str = ""

    @property
    def saved(self) -> int:
        """How many bytes compression saved; negative where it made more of them."""
        return self.plain_size - self.size if self.compression else 0


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What there is of a value on its way; ``state`` is None where the store was not to be asked."""

    state: str | None = None
    raw: bytes = b""
    content_type: str = ""
    content_encoding: str = ""
    compression: str = ""

    def fields(self) -> dict[str, Any]:
        return {
            "raw": self.raw,
            "size": len(self.raw),
            "plain_size": len(unpacked(self.raw)),
            "content_type": self.content_type,
            "content_encoding": self.content_encoding,
            "compression": self.compression or compression_of(self.raw),
        }


def named(error: Any) -> str:
    """
    >>> named(ValueError("no such thing"))
    'ValueError: no such thing'
    """
    return f"{type(error).__name__}: {error}"
