"""The container engine that testcontainers finds, Docker or Podman, here or elsewhere: it looks at
~/.testcontainers.properties, DOCKER_HOST, the current Docker context and the usual socket.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import socket
import threading
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import Unavailable
from .readiness import one_line

if TYPE_CHECKING:
    from docker import DockerClient  # type: ignore[import-untyped]

LABEL: Final = "pytest-celery-backends"
INSTALL: Final = "pip install 'pytest-celery-backends[containers]'"
#: testcontainers reads these once, when it is imported: how often it asks (else once a second) and how many
#: times, which together are its time limit.
_POLLING: Final = {"TC_POOLING_INTERVAL": "0.1", "TC_MAX_TRIES": "1200"}


#: The environment is the process's own, and testcontainers' reaper is too: services start in several threads.
_ONE_AT_A_TIME: Final = threading.RLock()


@contextlib.contextmanager
def environment_restored(added: Mapping[str, str] | None = None) -> Iterator[None]:
    """The user's environment, put back afterwards: testcontainers sets DOCKER_HOST in it. One thread at a time.

    Arguments:
        added: variables for the time inside, where the user has not set them.
    """
    names = ("DOCKER_HOST", *(added or {}))
    with _ONE_AT_A_TIME:
        before = {name: os.environ.get(name) for name in names}
        os.environ.update({name: value for name, value in (added or {}).items() if name not in os.environ})
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def container_class() -> Any:
    """``DockerContainer`` of testcontainers; raises Unavailable where that is not installed."""
    try:
        with environment_restored(_POLLING):
            from testcontainers.core.container import DockerContainer
    except ModuleNotFoundError as error:
        missing = error.name or "testcontainers"
    else:
        return DockerContainer
    raise Unavailable(f"{missing} is not installed, and containers need it", remedy=INSTALL)


def configuration() -> Any:
    """The settings of testcontainers in this process."""
    container_class()
    from testcontainers.core.config import testcontainers_config

    return testcontainers_config


def start_reaper() -> None:
    """Have testcontainers' reaper before the first container, where it is wanted.

    It is called inside ``environment_restored()``: two threads would both make the one reaper.
    """
    settings = configuration()
    if settings.ryuk_disabled:
        return
    from testcontainers.core.container import Reaper

    # It tells the reaper by its image, and does not know it again with a prefix: one would start another without end.
    before = settings.hub_image_name_prefix, settings.ryuk_image
    settings.hub_image_name_prefix, settings.ryuk_image = "", reaper_image()
    try:
        Reaper.get_instance()
    finally:
        settings.hub_image_name_prefix, settings.ryuk_image = before


def reaper_image() -> str:
    """The reaper's image, from the mirror where there is one."""
    settings = configuration()
    return f"{settings.hub_image_name_prefix}{settings.ryuk_image}"


@contextlib.contextmanager
def connected(seconds: float = 60.0) -> Iterator[DockerClient]:
    """A client of the engine, closed afterwards.

    Arguments:
        seconds: how long one answer may take.

    Raises Unavailable where testcontainers is not installed or the engine does not answer, also inside.
    """
    container_class()
    from docker.errors import APIError, DockerException  # type: ignore[import-untyped]

    client = _opened(seconds)
    try:
        yield client
        return
    except APIError as error:  # it answers, and says no to what nobody inside foresaw
        refusal = f"the container engine refused: {one_line(error.explanation or error)}"
        failure = Unavailable(refusal, remedy="docker info")
    except (DockerException, OSError) as error:
        failure = not_answering(error)
    finally:
        client.close()
    raise failure


def _opened(seconds: float) -> DockerClient:
    from docker.errors import DockerException
    from testcontainers.core.docker_client import DockerClient

    try:
        with environment_restored():
            return DockerClient(timeout=seconds).client
    except (DockerException, OSError) as error:
        reason = error
    raise not_answering(reason)


def not_answering(reason: Exception) -> Unavailable:
    """What to say where no engine answers."""
    from testcontainers.core.docker_client import get_docker_host

    asked = get_docker_host() or "unix:///var/run/docker.sock"
    causes = [reason, *_causes(reason)]
    if any(isinstance(cause, PermissionError) or "Permission denied" in str(cause) for cause in causes):
        remedy = "sudo usermod -aG docker $USER && newgrp docker"
    elif os.environ.get("DOCKER_HOST"):
        remedy = "unset DOCKER_HOST"
    else:
        remedy = "docker info"
    return Unavailable(f"no container engine answers at {asked}", tried=[_innermost(reason)], remedy=remedy)


def labels(run: str, root: Path, keep: bool) -> dict[str, str]:
    """What our containers bear, so that a later run finds those of dead runs."""
    mine = {f"{LABEL}.run": run, **dict(label.split("=", 1) for label in origin(root))}
    return {**mine, f"{LABEL}.keep": "yes"} if keep else mine


def origin(root: Path) -> list[str]:
    """The labels of all containers whose runs can be looked up in *root* by this user."""
    return [f"{LABEL}.host={_host()}", f"{LABEL}.user={os.geteuid()}", f"{LABEL}.root={root}"]


def _host() -> str:
    """One word for the place where a path means what it means to us.

    An engine may serve many machines of one name, and containers here, each with a /dev/shm of its own.
    """
    parts = [platform.node()]
    with contextlib.suppress(OSError):
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/mnt")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _causes(error: BaseException) -> Iterator[BaseException]:
    inner: BaseException | None = error
    for _ in range(10):
        inner = (inner.__cause__ or inner.__context__) if inner is not None else None
        if inner is None:
            return
        yield inner


def _innermost(error: Exception) -> str:
    said = [cause.strerror for cause in (error, *_causes(error)) if isinstance(cause, OSError)]
    return one_line(next((words for words in reversed(said) if words), error))


def reached_at() -> str:
    """Where a container will be found that is not there yet.

    From inside another one that is the gateway of the default network; on a network of the user's own nobody
    knows before it runs. Where the engine runs in the same container as we do, the gateway's address is our own,
    and the loopback leads there as well.
    """
    from testcontainers.core.config import ConnectionMode
    from testcontainers.core.docker_client import DockerClient

    engine = DockerClient()
    with contextlib.closing(engine.client):
        if engine.get_connection_mode() == ConnectionMode.docker_host:
            host: str = engine.host()
            return "127.0.0.1" if host == "localhost" else host
        pools = engine.client.networks.get("bridge").attrs["IPAM"]["Config"]
        # Docker names the gateway only where it is not the network's first address.
        gateway = str(pools[0].get("Gateway") or ip_network(pools[0]["Subnet"])[1])
        return "127.0.0.1" if _is_our_own(gateway) else gateway


def _is_our_own(address: str) -> bool:
    """Whether an address is this machine's.

    >>> _is_our_own("127.0.0.1"), _is_our_own("192.0.2.1")  # the other one is for documentation
    (True, False)
    """
    try:
        socket.create_server((address, 0)).close()
    except OSError:
        return False
    return True
