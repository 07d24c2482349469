"""The Celery settings that a test is given: by the fixture, by its markers, by the hook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from . import markers
from .errors import BadSettings
from .front import SERVERS, name_of

if TYPE_CHECKING:
    import pytest

    from .selection import Choice

FIXTURE: Final = "celery_backends_settings"
MARKER: Final = "@pytest.mark.celery"
HOOK: Final = "pytest_celery_backends_settings"


def given_settings(
    node: pytest.Item, app: Any, choice: Choice, of_fixture: object, underneath: Mapping[str, Any]
) -> dict[str, Any]:
    """All of them by their new names; the closest marker wins over what is *underneath*, and the hook over all.

    Raises BadMarker and BadSettings, the latter also for what decides which servers are talked to.
    """
    settings = {**_own(app, choice, FIXTURE, of_fixture), **underneath}
    for mark in reversed(list(node.iter_markers("celery"))):
        settings |= _own(app, choice, MARKER, markers.read("celery", mark.args, mark.kwargs))
    node.config.hook.pytest_celery_backends_settings(settings=settings, backend=choice.name)
    return _own(app, choice, HOOK, settings)


def _own(app: Any, choice: Choice, place: str, given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        what = "None" if given is None else f"something of type {type(given).__name__}"
        raise BadSettings(
            f"the fixture {place} gives no Celery settings",
            tried=[f"it gives {what}, not a mapping"],
            remedy='return {"result_expires": 60}',
        )
    if not given:
        return {}
    app.conf.finalize()  # what spellings it has is known once it was read
    named = {name_of(app.conf, key): (key, value) for key, value in given.items()}
    for name in SERVERS:
        if name in named:
            raise _leads_away(named[name][0], choice, place)
    return {name: value for name, (_, value) in named.items()}


def _leads_away(key: str, choice: Choice, place: str) -> BadSettings:
    """The setting would win over ours: tasks and results would go to a server that nobody keeps from them."""
    return BadSettings(
        f"{key} in {place} would lead the test away from the servers that it is given",
        tried=["results go to the backend that the marker names, tasks to a broker of the test's own"],
        remedy=f'@pytest.mark.backends("{choice}")  # and no {key} in {place}',
    )
