"""What a failed test leaves behind to explain it: sections of its report, and files of its bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import distributions
from typing import Any, Final

from celery.app.defaults import DEFAULTS
from celery.app.utils import bugreport, filter_hidden_settings

from . import activity
from .lease import Lease
from .masking import shown_masked
from .spec import StoredResult

#: So many tasks, and so many things in the store, are told of; of each so many bytes.
MANY: Final = 20
BYTES: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Captured:
    """What an app is while a test has it: after the test it is wired to production again.

    ``conf`` has the settings without Celery's defaults; ``url`` is that of the result backend, and ``about``
    Celery's own report, without its settings.
    """

    conf: Any = field(repr=False)
    url: str = field(repr=False)
    about: str = ""

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The settings that are not Celery's defaults, passwords included; looked up for tests that fail only."""
        table: Mapping[str, Any] = self.conf.table(with_defaults=True, censored=False)
        return table


def captured(lease: Lease, *, is_for_bundle: bool) -> Captured:
    """The app of a lease that a test has; Celery's report takes some milliseconds, and is for bundles only."""
    conf = lease.app.conf
    about = ""
    if is_for_bundle:
        # its settings show passwords that are deeper than it looks; ours are in a file of their own
        about = bugreport(lease.app).replace(conf.humanize(with_defaults=False, censored=True), "").strip()
    return Captured(conf=conf.without_defaults(), url=str(conf.result_backend or ""), about=about)


def sections(lease: Lease, app: Captured, server_log: Callable[[], str]) -> dict[str, str]:
    """The texts that explain a test, by title; what is empty is left out.

    Reading them may fail, for a test may have stopped its server: then the text says how.
    """
    made: Mapping[str, Callable[[], str]] = {
        "celery worker": lambda: lease.log.text,
        "celery timelines": lambda: _timelines(lease),
        "celery running": lambda: "\n".join(
            [*activity.described(lease.worker), activity.stacks(lease.worker)]
        ).strip(),
        "celery stored": lambda: _stored(lease),
        "celery settings": lambda: _settings(app.settings),
        "celery server": server_log,
    }
    texts = {title: _told(make) for title, make in made.items()}
    return {title: text for title, text in texts.items() if text}


def environment(lease: Lease, app: Captured) -> str:
    """Celery's own report on the app, the server, and every installed distribution."""
    server = [f"server: {lease.service}"]
    image = lease.service.handle.get("image")
    if image:
        server.append(f"image: {image}")
    return "\n".join([*server, app.about, "", *_installed()])


@cache
def _installed() -> list[str]:
    found = {f"{each.metadata['Name']}=={each.version}" for each in distributions()}
    return sorted(found, key=str.lower)


def _told(make: Callable[[], str]) -> str:
    try:
        return make()
    except Exception as error:  # drivers raise what they like, and the test's own failure matters more
        return f"could not be read: {type(error).__name__}: {error}"


def _timelines(lease: Lease) -> str:
    timelines = lease.recorder.timelines()
    shown = [f"{timeline.task_id}: {timeline}\n{timeline.table()}" for timeline in timelines[-MANY:]]
    return "\n".join(_with_rest(shown, len(timelines)))


def _stored(lease: Lease) -> str:
    found = lease.probe.stored()
    return "\n".join(_with_rest([_entry(one, lease.decode) for one in found[-MANY:]], len(found)))


def _with_rest(shown: list[str], count: int) -> list[str]:
    left = count - len(shown)
    return [f"({left} earlier ones are not shown)", *shown] if left > 0 else shown


def _entry(found: StoredResult, decode: Callable[[bytes], Any]) -> str:
    lasts = "never expires" if found.expires_in is None else f"expires in {found.expires_in:.0f} s"
    lines = [f"{found}, {lasts}", f"  raw: {found.raw[:BYTES]!r}{'...' if len(found.raw) > BYTES else ''}"]
    if found.kind in ("task", "message"):
        try:
            lines.append(f"  decoded: {str(decode(found.raw))[:BYTES]}")
        except Exception as error:
            lines.append(f"  cannot be decoded: {type(error).__name__}: {error}")
    return "\n".join(lines)


def _settings(settings: Mapping[str, Any]) -> str:
    """The settings that are not Celery's defaults, without what lets somebody in."""
    censored = filter_hidden_settings(dict(settings))
    shown = {
        # Celery hides a whole setting by its name; in dictionaries and URLs we know better
        name: censored[name] if isinstance(censored[name], str) else value
        for name, value in settings.items()
        if value != DEFAULTS.get(name)
    }
    return "\n".join(f"{name} = {shown_masked(shown[name], name)!r}" for name in sorted(shown))
