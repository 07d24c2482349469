"""How a server can be had; a module of its own, for every run reads the option that names them."""

from __future__ import annotations

from typing import Final, Literal

ProviderKind = Literal["external", "container", "local", "embedded"]
KINDS: Final[tuple[ProviderKind, ...]] = ("external", "container", "local", "embedded")
