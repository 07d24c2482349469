"""What a run has while its servers are up, and what is there of it later.

As a plugin of the run that is watched (``-p witness``) it writes that, as JSON, to the file in WITNESS.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_celery_backends.providers.engine import LABEL, connected
from pytest_celery_backends.providers.groups import is_ours, is_running, recorded_group
from pytest_celery_backends.run import Run
from pytest_celery_backends.stash import RUN

PROC: Final = Path("/proc")
#: TCP that listens, and UDP that takes from everybody, in the tables of the kernel.
_TABLES: Final = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """The last test has run, and the servers still do."""
    if nextitem is None:
        Path(os.environ["WITNESS"]).write_text(json.dumps(noted(item.config.stash[RUN])))


def noted(run: Run) -> dict[str, Any]:
    """The run's id and directory, its process groups, where its servers listen, and its reaper's name."""
    directory, labels = run.directory.path, sys.modules.get("testcontainers.core.labels")
    named = groups(directory)
    published = addresses_published(run.directory.id) if has_containers(run) else []
    return {
        "run": run.directory.id,
        "directory": str(directory),
        "groups": named,
        "hosts": [*addresses(processes(directory, named)), *published],
        "reaper": f"testcontainers-ryuk-{labels.SESSION_ID}" if labels else "",
    }


def has_containers(run: Run) -> bool:
    return any("container" in service.handle for service in run.pool.running)


def groups(directory: Path) -> list[int]:
    """The process groups that the directory of a run names."""
    found = (recorded_group(service) for service in sorted(directory.iterdir()))
    return [group for group in found if group]


def processes(directory: Path, groups: Iterable[int] = ()) -> list[int]:
    """Those that work in the directory of a run or mention it, and those of its groups, but for this one."""
    of_groups = set(groups)
    return [
        pid
        for pid in sorted(int(path.name) for path in PROC.iterdir() if path.name.isdecimal())
        if pid != os.getpid() and (_group(pid) in of_groups or is_ours(pid, directory)) and is_running(pid)
    ]


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def addresses(pids: Iterable[int]) -> list[str]:
    """Where these processes listen."""
    sockets = {inode for pid in pids for inode in _sockets(pid)}
    return sorted({host for inode, host in _listening() if inode in sockets})


def _sockets(pid: int) -> Iterator[str]:
    try:
        for open_file in (PROC / str(pid) / "fd").iterdir():
            kind, _, inode = os.readlink(open_file).partition("[")
            if kind == "socket:":
                yield inode.rstrip("]")
    except OSError:  # ended meanwhile
        return


def _listening() -> Iterator[tuple[str, str]]:
    for name, wanted in _TABLES.items():
        table = PROC / "net" / name
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            _, local, _, state, *rest = line.split()
            if state == wanted:
                yield rest[5], str(_address(local.partition(":")[0]))


def _address(text: str) -> IPv4Address | IPv6Address:
    """The kernel writes an address as numbers of four bytes, in the machine's own order."""
    words = [int(text[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(text), 8)]
    return ip_address(b"".join(words))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::")]
    [True, True, True, False, False]
    """
    address = ip_address(host)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def containers(run: str) -> list[Any]:
    """The containers of one run, also those that have ended."""
    with connected() as client:
        return list(
            client.containers.list(all=True, ignore_removed=True, filters={"label": f"{LABEL}.run={run}"})
        )


def is_there(container: str) -> bool:
    """Whether there is a container of this very name."""
    with connected() as client:
        return bool(
            client.containers.list(all=True, ignore_removed=True, filters={"name": f"^/?{container}$"})
        )


def addresses_published(run: str) -> list[str]:
    """Where the ports of a run's containers are published."""
    ports = [bindings for container in containers(run) for bindings in container.ports.values()]
    return sorted({binding["HostIp"] for bindings in ports for binding in bindings or ()})
