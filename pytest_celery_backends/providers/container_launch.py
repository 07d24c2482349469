"""One container on its way from an image to a server that answers."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..errors import StartFailed, Unavailable, last_lines
from ..sources import Container, Place
from ..spec import BackendSpec, NotReady, Refused, Service
from .container_version import with_version
from .engine import (
    configuration,
    container_class,
    environment_restored,
    not_answering,
    reached_at,
    start_reaper,
)
from .groups import remove_tree
from .ports import distinct_ports, lasting_port
from .process import write_files
from .readiness import another_way, one_line, wait_until_ready, without_password
from .run_directory import RunDirectory

_LOOPBACK: Final = ("localhost", "127.0.0.1")
#: Where a container finds its files.
INSIDE: Final = Path("/pytest-celery-backends")


@dataclass(frozen=True, kw_only=True)
class ContainerLaunch:
    """Everything that is known before a container is started from an image that is here.

    ``timeout`` is in seconds, from creating the container to the server's first answer. What is put into the
    container is also kept in a directory of ``run``.
    """

    spec: BackendSpec
    source: Container
    image: str
    run: RunDirectory
    labels: Mapping[str, str]
    keep: bool
    timeout: float
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    def start(self, remember: Callable[[str], None]) -> Service:
        """The server, once it answers; raises StartFailed or Unavailable with the container removed.

        Arguments:
            remember: is told the id of the container that runs.
        """
        until = time.monotonic() + self.timeout
        with environment_restored():
            inside = Place(
                directory=INSIDE,
                port=self.source.port,
                ports=distinct_ports(self.source.same_ports, lasting_port),
                password=self.password,
                host="0.0.0.0",
                reached_at=reached_at(),
            )
            directory = self._files_kept(inside)
            container = self._described(inside, directory)
        try:
            self._run(container)
            service = self._service(container, inside, directory, until)
            remember(container.get_container_id())
        except BaseException:
            _dispose(container)
            if directory is not None:
                remove_tree(directory)
            raise
        container.get_docker_client().client.close()
        return service

    def _files_kept(self, inside: Place) -> Path | None:
        """Our copy of the files, where there are any: clients need a certificate too."""
        files = self.source.files(inside)
        if not files:
            return None
        directory = self.run.subdirectory(self.spec.name)
        write_files(directory, files)
        return directory

    def _described(self, inside: Place, directory: Path | None) -> Any:
        container = container_class()(self.image)
        container.image = self.image  # without the prefix of a mirror, which was put before it again
        container.with_envs(**self.source.environment(inside)).with_kwargs(labels=dict(self.labels))
        if directory is not None:
            for path in filter(Path.is_file, sorted(directory.rglob("*"))):
                container.with_copy_into_container(path, str(INSIDE / path.relative_to(directory)))
        near = inside.reached_at in _LOOPBACK
        for port in inside.ports or (inside.port,):
            number = port if inside.ports else lasting_port() if near else None
            # Not for the whole network to see; an engine elsewhere has no loopback that we could reach.
            container.ports[f"{port}/tcp"] = ("127.0.0.1", number) if near else number
        command = list(self.source.command(inside))
        return container.with_command(command) if command else container

    @contextlib.contextmanager
    def _reaper_as_wanted(self) -> Iterator[None]:
        """While a container that is to be kept starts, there is no reaper that could learn of it."""
        settings = configuration()
        before = settings.ryuk_disabled
        settings.ryuk_disabled = before or self.keep
        try:
            yield
        finally:
            settings.ryuk_disabled = before

    def _run(self, container: Any) -> None:
        from docker.errors import APIError, DockerException  # type: ignore[import-untyped]
        from requests import RequestException  # docker's own

        try:
            with environment_restored(), self._reaper_as_wanted():  # one at a time
                if self.keep:
                    container.start()
                else:
                    start_reaper()
            if not self.keep:
                container.start()
            return
        except (DockerException, OSError, RuntimeError) as error:
            reason = error
        if isinstance(reason, RequestException) and not isinstance(reason, APIError):
            raise not_answering(reason)
        reaper: str = configuration().ryuk_image
        # What is no answer of the engine comes from connecting to the reaper.
        if reaper.partition(":")[0] in str(reason) or not isinstance(reason, APIError):
            cause, remedy = (
                f"the reaper {reaper} could not be started",
                "TESTCONTAINERS_RYUK_DISABLED=true pytest",
            )
        else:
            cause, remedy = f"{self.image} could not be started", f"docker run --rm {self.image}"
        raise StartFailed(cause, tried=[explained(reason)], remedy=remedy)

    def _service(self, container: Any, inside: Place, directory: Path | None, until: float) -> Service:
        from docker.errors import APIError

        try:
            host, port = self._address(container, inside)
            here = Place(
                directory=directory or Path(),
                host=host,
                port=port,
                ports=inside.ports,
                password=self.password,
                reached_at=inside.reached_at,
            )
            url = self.source.url(here)
            identity = wait_until_ready(self.spec, url, until, lambda: self._check_alive(container))
        except (NotReady, Refused) as error:
            failure = self._vain(container, error)
        except APIError as error:  # somebody removed it
            failure = StartFailed(
                f"{self.image} was lost while it started",
                tried=[explained(error)],
                remedy=another_way(self.spec, "container"),
            )
        else:
            digest = container.get_wrapped_container().attrs["Image"]
            handle = {"container": container.get_container_id(), "image": f"{self.image} ({digest})"}
            return Service(
                backend=self.spec.name,
                provider="container",
                url=url,
                identity=with_version(identity, container, self.source),
                handle={**handle, "directory": str(directory)} if directory else handle,
            )
        raise failure

    def _address(self, container: Any, inside: Place) -> tuple[str, int]:
        failure: Unavailable
        wanted = inside.ports[0] if inside.ports else inside.port
        try:
            port = int(container.get_exposed_port(wanted))
            near = inside.reached_at in _LOOPBACK
            host: str = inside.reached_at if near else container.get_container_host_ip()
        except KeyError as error:  # Podman's list of containers lacks what testcontainers looks for
            remedy = "TESTCONTAINERS_CONNECTION_MODE=docker_host TC_HOST=localhost pytest"
            failure = StartFailed(f"the engine does not tell {error} of a container", remedy=remedy)
        except (ConnectionError, StopIteration, TimeoutError) as error:
            self._check_alive(container)  # as a rule it has ended
            cause = f"{self.image} shows no port {wanted}"
            remedy = f"docker run --rm -P {self.image}"
            failure = StartFailed(cause, tried=[one_line(error)], remedy=remedy)
        else:
            # Docker may publish on IPv6 under another port: "localhost" can be somebody else's container.
            return "127.0.0.1" if host == "localhost" else host, port
        raise failure

    def _check_alive(self, container: Any) -> None:
        wrapped = container.get_wrapped_container()
        wrapped.reload()
        if wrapped.status not in ("exited", "dead"):
            return
        status, log = wrapped.attrs["State"]["ExitCode"], self._log(container)
        raise StartFailed(
            f"{self.image} exited with {status} before it answered",
            tried=[f"its last words: {one_line(log.splitlines()[-1])}"] if log else [],
            remedy=another_way(self.spec, "container"),
            log=log,
        )

    def _vain(self, container: Any, error: NotReady | Refused) -> StartFailed:
        if isinstance(error, NotReady):
            cause = f"{self.image} did not answer within {self.timeout:g} s"
            remedy = f"--celery-backends-timeout={max(1, round(self.timeout * 2))}"
        else:
            cause, remedy = (
                f"{self.image} refused its own password or database",
                another_way(self.spec, "container"),
            )
        reason = without_password(one_line(error), self.password)
        return StartFailed(cause, tried=[reason], remedy=remedy, log=self._log(container))

    def _log(self, container: Any) -> str:
        output: bytes = container.get_wrapped_container().logs(tail=20)
        return last_lines(without_password(output.decode(errors="replace"), self.password))


def explained(error: Exception) -> str:
    """The engine's own words, in one line."""
    return one_line(getattr(error, "explanation", None) or error)


def _dispose(container: Any) -> None:
    from docker.errors import DockerException

    # What happened before is what the user must hear; the reaper or a later run removes what this cannot.
    with contextlib.suppress(DockerException, OSError):
        container.stop()
