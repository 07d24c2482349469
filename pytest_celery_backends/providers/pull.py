"""Having an image here: pulled with the progress told, and once more where the way to the registry was bad."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..errors import NotPulled
from .engine import connected
from .readiness import one_line

if TYPE_CHECKING:
    from docker import DockerClient  # type: ignore[import-untyped]

#: Seconds before the second try, and before each after that.
PAUSES: Final = (1.0, 3.0, 9.0)
#: What passes. A registry that refuses a connection, knows no such image or wants a password will do so again.
_PASSING: Final = re.compile(
    r"time(d )?-?out|deadline exceeded|reset by peer|broken pipe|unexpected eof|: eof|connection closed"
    r"|temporary failure|server misbehaving|too ?many ?requests|\b(429|500|502|503|504)\b",
    re.IGNORECASE,
)

Tell = Callable[[str], None]


def have(image: str, tell: Tell, pauses: tuple[float, ...] = PAUSES) -> None:
    """Have the image here; the engine's silence ends the wait after a minute, not the server's time limit.

    Arguments:
        tell: is told how far it is, and may raise what ends it.
        pauses: seconds to wait before each further try, where one may help.

    Raises NotPulled with what each try brought.
    """
    with connected() as client:
        from docker.errors import ImageNotFound  # type: ignore[import-untyped]

        try:
            client.images.get(image)
            return
        except ImageNotFound:
            pass
        tried: list[str] = []
        for pause in (*pauses, None):
            reason = _pull(client, image, tell)
            if not reason:
                tell("")
                return
            tried.append(reason)
            if pause is None or not is_passing(reason):
                break
            _wait(pause, tell, f"{reason}; try {len(tried) + 1} to pull it follows")
    if len(tried) > 1:
        tried = [f"try {number}: {reason}" for number, reason in enumerate(tried, 1)]
    cause = f"{image} is not here and could not be pulled"
    raise NotPulled(cause, tried=tried, remedy=f"docker pull {image}")


def images_here(client: DockerClient) -> frozenset[str]:
    """The names of all images that the engine has."""
    return frozenset(tag for found in client.images.list() for tag in found.tags)


def another_tag(image: str, here: Iterable[str]) -> str:
    """A tag of the same image that is here, from whichever registry: ``latest``, or else the last by name.

    Gives an empty text where there is none.

    >>> another_tag("mongo", ["redis:8", "mirror.example.org/mongo:7", "mongo:latest"])
    'mongo:latest'
    """
    same = {tag for tag in here if _name_of(tag) == _name_of(image)}
    return max(same, key=lambda tag: (tag.endswith(":latest"), tag), default="")


def _name_of(image: str) -> str:
    """What an image is called in every registry.

    >>> _name_of("mirror.example.org:5000/acme/tiny:1"), _name_of("acme/tiny:latest"), _name_of("redis:8")
    ('acme/tiny', 'acme/tiny', 'redis')
    """
    registry, slash, rest = image.partition("/")
    is_registry = slash and re.search(r"[.:]|^localhost$", registry)
    return (rest if is_registry else image).partition(":")[0]


def is_passing(reason: str) -> bool:
    """Whether to try again may help.

    >>> is_passing("net/http: TLS handshake timeout"), is_passing("manifest unknown")
    (True, False)
    """
    return bool(_PASSING.search(reason))


def progress_of(events: Mapping[str, Mapping[str, Any]]) -> str:
    """How far the layers are, from the last event of each.

    >>> layer = {"status": "Downloading", "progressDetail": {"current": 5_000_000, "total": 12_000_000}}
    >>> progress_of({"a": layer, "b": {"status": "Pull complete"}})
    '1 of 2 layers, 5 of 12 MB'
    """
    done = sum(event["status"] in ("Pull complete", "Already exists") for event in events.values())
    details = [event.get("progressDetail") or {} for event in events.values()]
    current, total = (sum(detail.get(name) or 0 for detail in details) for name in ("current", "total"))
    size = f", {current / 1e6:.0f} of {total / 1e6:.0f} MB" if total >= 1e6 else ""
    return f"{done} of {len(events)} layers{size}"


def _pull(client: DockerClient, image: str, tell: Tell) -> str:
    """Pull once; gives why it did not work, or nothing."""
    from docker.errors import APIError
    from docker.utils import parse_repository_tag  # type: ignore[import-untyped]

    repository, tag = parse_repository_tag(image)
    layers: dict[str, Mapping[str, Any]] = {}
    tell("pulling")
    try:
        for event in _events(client, repository, tag):
            if "error" in event:
                return one_line(event["error"])
            if event.get("id") and event["id"] != tag:  # the first event bears the tag instead of a layer
                layers[event["id"]] = event
            tell(f"pulling: {progress_of(layers)}" if layers else "pulling")
    except APIError as error:  # NotFound is one of them
        return one_line(error.explanation or error)
    return ""


def _events(client: DockerClient, repository: str, tag: str | None) -> Iterator[dict[str, Any]]:
    events: Iterator[dict[str, Any]] = client.api.pull(
        repository, tag=tag or "latest", stream=True, decode=True
    )
    return events


def _wait(seconds: float, tell: Tell, why: str) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        tell(f"{why} in {left:.0f} s")  # raises where the run ends
        time.sleep(min(0.1, left))
