"""Servers that are Python packages: each is run by the Python that has it, in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Final

from .sources import Embedded, Identity, Place, Program, Wheel

#: What Moto's server imports beside Moto itself, which many have for its decorators alone.
_OF_MOTOS_SERVER: Final = ("flask", "flask_cors")


def python_wheel(
    *,
    distribution: str,
    package: str,
    product: str,
    extra: str,
    arguments: Callable[[Place], Sequence[str]],
    url: Callable[[Place], str],
    files: Callable[[Place], Mapping[str, str]] = lambda place: {},
    needs: Sequence[str] = (),
) -> Wheel:
    """A wheel whose server is Python.

    Arguments:
        product: what the server is called. Its version is the distribution's where it tells none.
        extra: the extra of this package that installs it.
        arguments: what this Python is called with.
        needs: packages that the server imports and that *distribution* does without.
    """
    python = sys.executable
    program = Program(
        binaries=(python,),
        command=lambda place: (python, *arguments(place)),
        url=url,
        identify_binary=_no_version,
        identify_path=lambda path: Identity(product=product, version=_version(distribution)),
        files=files,
        # Where we found it: a server's HOME is its own, and what pip installed for a user is below the user's.
        environment=lambda place: {"PYTHONPATH": str(place.binaries.parent)},
        lacks=lambda binary: _lack(distribution, needs),
        stop_signal="SIGKILL",  # there is nothing to save
    )
    return Wheel(distribution=distribution, package=package, binaries="", program=program, extra=extra)


def moto(url: Callable[[Place], str]) -> Embedded:
    """Moto, which stands for the services of AWS. It takes any password."""
    wheel = python_wheel(
        distribution="moto",
        package="moto",
        product="Moto",
        extra="moto",
        arguments=lambda place: ("-m", "moto.server", "-H", place.host, "-p", str(place.port)),
        url=url,
        needs=_OF_MOTOS_SERVER,
    )
    return Embedded(wheels=(wheel,))


def _lack(distribution: str, needs: Sequence[str]) -> str:
    missing = [name for name in needs if find_spec(name) is None]
    return f"{distribution} is installed without {' and '.join(missing)}" if missing else ""


def _version(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:  # a copy of the sources on PYTHONPATH
        return ""


def _no_version(text: str) -> Identity:
    raise ValueError(text)
