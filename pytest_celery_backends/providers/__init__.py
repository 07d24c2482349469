"""Where servers come from: given by URL, in a container, from local binaries, out of a Python package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..provider_kinds import ProviderKind
    from ..spec import Provider
    from .run_directory import RunDirectory


def make_provider(
    kind: ProviderKind,
    run: RunDirectory,
    urls: Mapping[str, str],
    keep: bool,
    tell: Callable[[str, str, str], None] = lambda backend, version, text: None,
) -> Provider:
    """The provider of a kind; its module is imported only now.

    Arguments:
        run: where private servers have their directories, and whose id containers bear.
        urls: the URL of each external backend, by name.
        keep: whether containers shall outlive the run. Processes do where ``run.keep()`` is called.
        tell: is told the name of a backend, its version where one is pinned, and how far it is, where that takes long.
    """
    if kind == "external":
        from .external import ExternalProvider

        return ExternalProvider(urls)
    if kind == "container":
        from .container import ContainerProvider

        return ContainerProvider(run, keep=keep, tell=tell)
    if kind == "local":
        from .local import LocalProvider

        return LocalProvider(run)
    from .embedded import EmbeddedProvider

    return EmbeddedProvider(run)
