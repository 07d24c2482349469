"""Connections of drivers that open and close them by methods of one class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..class_patches import ClassPatches
from ..round_trips import Log


def watch_connections(
    patches: ClassPatches,
    kind: type,
    log: Log,
    is_ours: Callable[[Any], bool],
    shown: Callable[[Any], str],
    *,
    opens: str = "connect",
    closes: tuple[str, ...] = ("close",),
) -> None:
    """Tell *log* of each connection that the methods *opens* and *closes* open and close, as *shown*."""
    connect = getattr(kind, opens)

    def observed_connect(connection: Any, *args: Any, **kwargs: Any) -> Any:
        answer = connect(connection, *args, **kwargs)
        if is_ours(connection):
            log.opened(id(connection), shown(connection))
        return answer

    def observed(close: Callable[..., Any]) -> Callable[..., Any]:
        def observed_close(connection: Any, *args: Any, **kwargs: Any) -> Any:
            log.closed(id(connection))
            return close(connection, *args, **kwargs)

        return observed_close

    patches.replace(kind, opens, observed_connect)
    for name in closes:
        patches.replace(kind, name, observed(getattr(kind, name)))
