"""Stores without a protocol of their own: what Celery's key-value backends ask of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ..class_patches import ClassPatches
from ..round_trips import Log, Target

#: https://docs.celeryq.dev/en/stable/internals/reference/celery.backends.base.html
_ASKED: Final = ("get", "mget", "set", "delete", "incr", "expire", "add_to_chord")


@contextmanager
def watching(target: Target, log: Log) -> Iterator[None]:
    """See each access to files, to memory, or to a cache, none of which is connected to."""
    kind = type(target.app.backend)
    patches = ClassPatches()

    def observed(name: str) -> Callable[..., Any]:
        original = getattr(kind, name)

        def ask(backend: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
            if backend.app is target.app:
                log.command(f"{name} {_shown(key)}")
            return original(backend, key, *args, **kwargs)

        return ask

    try:
        for name in _ASKED:
            if hasattr(kind, name):
                patches.replace(kind, name, observed(name))
        yield
    finally:
        patches.put_back()


def _shown(key: Any) -> str:
    if isinstance(key, bytes):
        return key.decode(errors="replace")
    return key if isinstance(key, str) else f"of {len(list(key))} keys"
