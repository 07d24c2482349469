"""The version of a server in a container that tells clients none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..sources import Container, Identity


def with_version(identity: Identity, container: Any, source: Container) -> Identity:
    """The identity with what the image's own program says, where the server named no version."""
    if identity.version or not source.version_command:
        return identity
    status, output = container.exec(list(source.version_command))
    return identity if status else replace(identity, version=output.decode(errors="replace").strip())
