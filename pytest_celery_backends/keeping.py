"""``--celery-backends-keep``: what is left running, how to look into it, and how to stop it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .spec import Service

if TYPE_CHECKING:
    from .registry import Registry


def how_to_reach_all(services: Sequence[Service], registry: Registry) -> list[str]:
    """The lines that are printed, passwords included: without them nobody could look into the servers.

    What lies in the run's own directory goes with the last line.
    """
    lines = [
        how_to_reach(service, registry.get(service.backend).client_command(service.url))
        for service in services
        if service.handle
    ]
    places = [service.handle["directory"] for service in services if "directory" in service.handle]
    if places:
        run = places[0].rpartition("/")[0]
        lines.append(f"the run's directory: {run}  (once they are stopped: rm -r {run})")
    return lines


def how_to_reach(service: Service, client_command: str = "") -> str:
    """The line for one service: where it is, what to type to look into it, and how to stop it."""
    handle = service.handle
    if "container" in handle:
        stop = f"docker rm --force {handle['container'][:12]}"
    elif "directory" in handle:
        stop = f"rm -r {handle['directory']}"
        if "pid" in handle:
            stop = f"kill -9 -{handle['pid']}; {stop}"
    else:
        stop = "nothing to stop"
    look = f"  (look into it: {client_command})" if client_command else ""
    return f"{service.backend}: {service.url or 'in this process'}{look}  (stop it: {stop})"
