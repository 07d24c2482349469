"""A value whose loading leaves a mark: who unpickles it has run what an attacker chose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

#: The tokens of the canaries that were loaded in this process.
SUNG: Final[set[str]] = set()


def sing(token: str) -> str:
    """Leave the mark."""
    SUNG.add(token)
    return token


class Canary:
    """Pickles to a call of ``sing``, as an attacker's payload does to one of ``os.system``.

    >>> import pickle
    >>> pickle.loads(pickle.dumps(Canary("doc"))) in SUNG
    True
    >>> SUNG.clear()
    """

    def __init__(self, token: str) -> None:
        self.token = token

    def __reduce__(self) -> tuple[Callable[[str], str], tuple[str]]:
        return sing, (self.token,)
