"""What a store holds for a task, read out of band."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .probes.keys import held_in
from .spec import Decode, Probe


class Questions:
    """Asks the store.

    Arguments:
        probe: gives the namespace's out-of-band reader.
        decode: what turns stored bytes into a result.
    """

    def __init__(self, probe: Callable[[], Probe], decode: Decode) -> None:
        self._probe = probe
        self._decode = decode

    def held(self, task_id: str) -> str:
        """The state that the store holds now, empty where it holds nothing."""
        held = self._probe().held(task_id)
        return held.state if held else ""

    def state_in(self, raw: Any) -> str:
        """The state in what a driver has read, as the bytes that are stored; empty for nothing."""
        held = held_in(raw, self._decode)
        return held.state if held else ""
