"""Reads a stored meta dictionary without the backend that stored it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kombu import compression, serialization

from .spec import Decode

#: What Celery 5.7 puts before a compressed result: this mark, the content type, a NUL, the body
#: (``celery/backends/base.py``).
COMPRESSED: Final = b"\0celery-compressed\0"


def decoder(*serializers: str) -> Decode:
    """A function that decodes what was stored with one of these serializers, compressed or not.

    The first that can read it does; where none can, the error is that of the first.

    >>> decoder("json", "pickle")(b'{"status": "SUCCESS", "result": 4}')["result"]
    4
    """
    return lambda raw: _decoded(unpacked(raw), serializers)


def unpacked(raw: bytes) -> bytes:
    """What was stored, as it was before it was compressed.

    >>> unpacked(b"as it was")
    b'as it was'
    """
    if not raw.startswith(COMPRESSED):
        return raw
    method, _, packed = raw[len(COMPRESSED) :].partition(b"\0")
    unpacked: bytes = compression.decompress(packed, method.decode())
    return unpacked


def compression_of(raw: bytes) -> str:
    """The name of the method that a stored result is compressed by, as ``result_compression`` takes it; else empty.

    >>> compression_of(COMPRESSED + b"application/x-gzip" + b"\\0...")
    'gzip'
    """
    if not raw.startswith(COMPRESSED):
        return ""
    method = raw[len(COMPRESSED) :].partition(b"\0")[0].decode()
    names = sorted(name for name, known in compression._aliases.items() if known == method and name != known)
    return names[0] if names else method


def _decoded(body: bytes, serializers: Sequence[str]) -> Any:
    first, *further = serializers
    content_type, encoding, _ = serialization.registry._encoders[first]
    try:
        return serialization.loads(body, content_type, encoding, accept={content_type})
    except Exception as first_error:  # serializers are plugins and raise what they like
        if not further:
            raise
        try:
            return _decoded(body, further)
        except Exception:  # what was tried first says more
            raise first_error from None
