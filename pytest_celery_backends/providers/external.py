"""Servers that the user runs and names by URL. They are asked what they are, and otherwise left alone."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from ..errors import StartFailed
from ..masking import masked
from ..sources import External
from ..spec import Availability, BackendSpec, NotReady, Refused, Service
from .readiness import QUESTION_SECONDS, one_line, other_version, without_password


class ExternalProvider:
    """Hands out servers that run already.

    Arguments:
        urls: the URL of each backend, by name.
    """

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = dict(urls)

    def check(self, spec: BackendSpec, version: str) -> Availability:
        """Whether the server answers within two seconds and is what the test wants."""
        return self._ask(spec, version, QUESTION_SECONDS)

    def start(self, spec: BackendSpec, version: str, timeout: float) -> Service:
        """Ask the server once, which may take *timeout* seconds; raises StartFailed.

        There is no second try: the server was there before us, or it is not there.
        """
        found = self._ask(spec, version, timeout)
        if found.identity is None or not found.works:
            raise StartFailed(found.reason, remedy=found.remedy)
        return Service(
            backend=spec.name, provider="external", url=self._urls[spec.name], identity=found.identity
        )

    def stop(self, service: Service) -> None:
        """Nothing: the server is not ours."""

    def logs(self, service: Service) -> str:
        """Nothing: the server's log is not ours."""
        return ""

    def _ask(self, spec: BackendSpec, version: str, limit: float) -> Availability:
        source, url = spec.source("external"), self._urls.get(spec.name, "")
        if not isinstance(source, External):
            return _no(f"{spec.name} needs no server, so it takes no URL", f"--celery-backends={spec.name}")
        if not url:
            return _no(f"no URL was given for {spec.name}", _option(spec, source.example))
        shown, parts = masked(url), urlsplit(url)
        if parts.scheme not in source.schemes:
            schemes = " or ".join(f"{scheme}://" for scheme in source.schemes)
            reason = f"{shown} is no URL of {spec.name}, which begins with {schemes}"
            return _no(reason, _option(spec, source.example))
        try:
            identity = spec.identify(url, limit)
        except NotReady as error:
            reason = without_password(one_line(error), parts.password)
            return _no(f"nothing answers at {shown}: {reason}", _reach(parts, _option(spec, source.example)))
        except Refused as error:
            reason = without_password(one_line(error), parts.password)
            return _no(f"{shown} refused us: {reason}", error.remedy or _option(spec, _with_password(parts)))
        if version and not identity.satisfies(spec.title, version):
            reason = f"{shown} is {identity}, not {spec.title} {version}"
            return _no(reason, other_version(spec, "external"))
        return Availability(works=True, identity=identity)


def _no(reason: str, remedy: str) -> Availability:
    return Availability(works=False, reason=reason, remedy=remedy)


def _option(spec: BackendSpec, url: str) -> str:
    return f"--celery-backends-url={shlex.quote(f'{spec.name}={url}')}"


def _reach(parts: SplitResult, otherwise: str) -> str:
    """What shows whether there is a way to the server at all."""
    try:
        port = parts.port
    except ValueError:  # several hosts, or no number
        return otherwise
    return f"nc -vz {parts.hostname} {port}" if parts.hostname and port else otherwise


def _with_password(parts: SplitResult) -> str:
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username or ''}:PASSWORD@{host}").geturl()
