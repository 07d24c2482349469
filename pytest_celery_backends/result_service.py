"""A read-only view of the server that a test runs on."""

from __future__ import annotations

from typing import Any

from .masking import SecretUrl, masked
from .provider_kinds import ProviderKind
from .spec import Service


class ResultService:
    """A read-only view of the server that a test runs on."""

    def __init__(self, service: Service, logs: Any) -> None:
        self._service = service
        self._logs = logs

    @property
    def url(self) -> str:
        """The server's URL, password included; its repr, and so an assertion that fails, masks it."""
        return SecretUrl(self._service.url)

    @property
    def product(self) -> str:
        """What the server says it is: "Valkey" may answer where "redis" was asked for."""
        return self._service.identity.product

    @property
    def version(self) -> str:
        """The version, as the server says."""
        return self._service.identity.version

    @property
    def provider(self) -> ProviderKind:
        """Where it came from: external, container, local or embedded."""
        return self._service.provider

    @property
    def logs(self) -> str:
        """The last lines that the server printed; empty where they cannot be had."""
        return str(self._logs(self._service))

    def __repr__(self) -> str:
        return f"<{self._service} at {masked(self._service.url) or 'this process'}>"
