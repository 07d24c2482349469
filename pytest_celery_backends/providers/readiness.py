"""Waiting for a server by asking it, and what to suggest where it cannot be had."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from ..provider_kinds import ProviderKind
from ..sources import Identity
from ..spec import BackendSpec, NotReady

#: For one question to a server: longer than an answer takes, shorter than a user's patience.
QUESTION_SECONDS: Final = 2.0


def wait_until_ready(spec: BackendSpec, url: str, until: float, check_alive: Callable[[], None]) -> Identity:
    """What the server at *url* says it is, as soon as it says so.

    Arguments:
        until: when to give up, on the clock of ``time.monotonic()``.
        check_alive: called after each vain question; raises where the server is gone.

    Raises NotReady with the last reason where the time is over, and Refused from the server itself.
    """
    pause = 0.005
    while True:
        try:
            return spec.identify(url, max(0.1, min(QUESTION_SECONDS, until - time.monotonic())))
        except NotReady:
            check_alive()
            if time.monotonic() >= until:
                raise
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def without_password(text: str, password: str | None) -> str:
    """A server's own words, should they repeat the password.

    >>> without_password("AUTH s3cret failed", "s3cret")
    'AUTH *** failed'
    """
    return text.replace(password, "***") if password else text


def another_way(spec: BackendSpec, kind: ProviderKind) -> str:
    """The option that gets this backend from elsewhere, or shows that there is nowhere else."""
    kinds = [source.kind for source in spec.sources if source.kind not in (kind, "external")]
    return f"--celery-backends-provider={spec.name}={kinds[0]}" if kinds else "pytest --celery-backends-list"


def other_version(spec: BackendSpec, kind: ProviderKind) -> str:
    """The option that gets a pinned version: only containers come in every version."""
    wanted = any(source.kind == "container" for source in spec.sources) and kind != "container"
    return f"--celery-backends-provider={spec.name}=container" if wanted else f"--celery-backends={spec.name}"


def one_line(error: object, width: int = 200) -> str:
    """The first line of an error that others wrote, cut to *width* characters.

    >>> one_line(ValueError("a  cause\\nand a long tale"))
    'a cause'
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = " ".join(lines[0].split())
    return line if len(line) <= width else f"{line[: width - 3]}..."
