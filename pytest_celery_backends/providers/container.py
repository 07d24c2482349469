"""Servers in containers, started with the core of testcontainers on whatever engine that finds."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StartFailed, Unavailable
from ..sources import Container
from ..spec import Availability, BackendSpec, Service
from .container_launch import ContainerLaunch
from .engine import LABEL, configuration, connected, labels, origin, reaper_image
from .groups import remove_tree
from .leftovers import is_live
from .pull import another_tag, have, images_here
from .readiness import another_way
from .run_directory import RunDirectory

if TYPE_CHECKING:
    from docker import DockerClient  # type: ignore[import-untyped]


class ContainerProvider:
    """Starts servers in containers.

    A killed run's containers are removed by the reaper of testcontainers, where that is not switched off, and
    by ``sweep()`` of a later run. The reaper itself goes at a normal exit, so what was not stopped by then is
    removed by this provider, unless another process closes the run.

    Arguments:
        run: its id marks the containers.
        keep: whether containers shall outlive the run: no reaper, no removal at exit.
        tell: is told the name of a backend, its pinned version if any, and how far the pull of its image is; may
            raise StartFailed.
    """

    def __init__(
        self,
        run: RunDirectory,
        *,
        keep: bool = False,
        tell: Callable[[str, str, str], None] = lambda backend, version, text: None,
    ) -> None:
        self._run = run
        self._keep = keep
        self._tell = tell
        self._lock = threading.Lock()  # several servers start at a time
        self._down: Unavailable | None = None
        self._images: frozenset[str] | None = None
        self._is_swept = False
        self._started: set[str] = set()
        self._process = os.getpid()

    def check(self, spec: BackendSpec, version: str) -> Availability:
        """Whether an engine answers within two seconds; an image that is not there will be pulled."""
        source = spec.source("container")
        if not isinstance(source, Container):
            return Availability(
                works=False, reason=f"{spec.name} has no image", remedy=another_way(spec, "container")
            )
        with self._lock:
            if self._down is None:
                try:
                    return self._found(source, version)
                except Unavailable as error:
                    self._down = error  # asked once: each question may take two seconds
        return Availability(works=False, reason=self._down.cause, remedy=self._down.remedy)

    def start(self, spec: BackendSpec, version: str, timeout: float) -> Service:
        """Start one and wait until it answers, at most *timeout* seconds after its image is there.

        Raises StartFailed; the container is removed then.
        """
        source = spec.source("container")
        if not isinstance(source, Container):
            raise StartFailed(f"{spec.name} has no image", remedy=another_way(spec, "container"))
        try:
            return self._start(spec, source, version, timeout)
        except StartFailed:
            raise
        except Unavailable as error:
            failure = StartFailed(error.cause, tried=error.tried, remedy=error.remedy)
        raise failure

    def stop(self, service: Service) -> None:
        """Remove the container, from whichever process; raises Unavailable where the engine does not."""
        self._remove(service.handle["container"])
        if "directory" in service.handle:
            remove_tree(Path(service.handle["directory"]))

    def logs(self, service: Service) -> str:
        """What the server printed so far; nothing where the container is gone."""
        with connected() as client:
            from docker.errors import NotFound  # type: ignore[import-untyped]

            try:
                output: bytes = client.containers.get(service.handle["container"]).logs()
            except NotFound:
                return ""
        return output.decode(errors="replace")

    def sweep(self) -> tuple[str, ...]:
        """Remove the containers that dead runs of this user on this host left; gives their ids."""
        root = self._run.path.parent
        removed = []
        with connected() as client:
            found = client.containers.list(all=True, ignore_removed=True, filters={"label": origin(root)})
            for container in found:
                marks = container.labels
                if f"{LABEL}.keep" not in marks and not is_live(root, marks[f"{LABEL}.run"]):
                    _remove_from(client, container.id or "")
                    removed.append(container.id or "")
        return tuple(removed)

    def _start(self, spec: BackendSpec, source: Container, version: str, timeout: float) -> Service:
        self._sweep_once()
        if (
            not self._keep and not configuration().ryuk_disabled
        ):  # testcontainers would pull it once, and untold
            have(reaper_image(), lambda text: self._tell(spec.name, version, text))
        image = self._have(spec, source, version)
        launch = ContainerLaunch(
            spec=spec,
            source=source,
            image=image,
            run=self._run,
            labels=labels(self._run.id, self._run.path.parent, self._keep),
            keep=self._keep,
            timeout=timeout,
        )
        return launch.start(self._remember)

    def _found(self, source: Container, version: str) -> Availability:
        image = _image(source, version)
        if self._images is None:  # asked once for all backends
            with connected(seconds=2.0) as client:
                self._images = images_here(client)
        if not self._images.isdisjoint(
            {image, f"docker.io/{image}", f"docker.io/library/{image}"}
        ):  # Podman's
            return Availability(works=True, image=image)
        reason = f"{image} is not here yet and will be pulled"
        fallback = "" if version else another_tag(source.image, self._images)
        return Availability(
            works=True, reason=reason, remedy=f"docker pull {image}", image=image, fallback=fallback
        )

    def _have(self, spec: BackendSpec, source: Container, version: str) -> str:
        """Have the image here and give its name.

        Where nobody asked for a version and the pinned one cannot be had, as in a closed network, it is another one
        that is here: what answers is called by its own name and version everywhere.
        """
        image = _image(source, version)
        try:
            have(image, lambda text: self._tell(spec.name, version, text))
        except StartFailed:
            with connected() as client:
                other = "" if version else another_tag(source.image, images_here(client))
            if not other:
                raise
            return other
        return image

    def _remember(self, container: str) -> None:
        if self._keep or not self._run.is_owner:
            return
        with self._lock:
            if not self._started:
                atexit.register(self._remove_started)
            self._started.add(container)

    def _remove(self, container: str) -> None:
        with connected() as client:
            _remove_from(client, container)
        with self._lock:
            self._started.discard(container)
            if not self._started:
                atexit.unregister(self._remove_started)

    def _remove_started(self) -> None:
        if os.getpid() == self._process:  # a forked child inherits this, and the containers are its parent's
            for container in sorted(self._started):
                self._remove(container)

    def _sweep_once(self) -> None:
        with self._lock:
            if not self._is_swept:
                self.sweep()
                self._is_swept = True


def _image(source: Container, version: str) -> str:
    prefix: str = configuration().hub_image_name_prefix
    return f"{prefix}{source.image}:{version or source.tag}"


def _remove_from(client: DockerClient, container: str) -> None:
    from docker.errors import APIError, NotFound

    try:
        client.containers.get(container).remove(force=True, v=True)
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != 409:  # somebody is removing it already
            raise
