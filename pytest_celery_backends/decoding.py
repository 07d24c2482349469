"""Reads a stored meta dictionary without the backend that stored it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kombu import compression, serialization

from .spec import Decode

#: What Celery 5.7 puts before a compressed result: this mark, the content type, a NUL, the body
#: (``celery/backends/base.py``).
COMPRESSED: Final = b"\0celery-compressed\0"


def decoder(serializer: str) -> Decode:
    """A function that decodes what was stored with this serializer, compressed or not.

    >>> decoder("json")(b'{"status": "SUCCESS", "result": 4}')["result"]
    4
    """
    content_type, encoding, _ = serialization.registry._encoders[serializer]

    def decode(raw: bytes) -> Mapping[str, Any]:
        body = raw
        if raw.startswith(COMPRESSED):
            method, _, packed = raw[len(COMPRESSED) :].partition(b"\0")
            body = compression.decompress(packed, method.decode())
        meta: Mapping[str, Any] = serialization.loads(body, content_type, encoding, accept={content_type})
        return meta

    return decode
