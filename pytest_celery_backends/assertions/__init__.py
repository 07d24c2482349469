"""The assertion helpers by family, each imported when a test first asks for one of it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from . import agreement as agreement
    from . import cleanup as cleanup
    from . import contract as contract
    from . import expiry as expiry
    from . import failures as failures
    from . import groups as groups
    from . import limits as limits
    from . import progress as progress
    from . import security as security
    from . import serialization as serialization
    from . import states as states
    from . import table as table

_FAMILIES: Final = frozenset(
    {
        "agreement",
        "cleanup",
        "contract",
        "expiry",
        "failures",
        "groups",
        "limits",
        "progress",
        "security",
        "serialization",
        "states",
        "table",
    }
)


def __getattr__(name: str) -> Any:
    if name not in _FAMILIES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
