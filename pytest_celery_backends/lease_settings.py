"""The settings of a test: what leads to its namespace, and its own on top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .errors import BadSettings

#: Set for every backend; the test's own settings come on top.
DEFAULTS: Final[Mapping[str, Any]] = {
    # a polled chord looks again after this many seconds; Celery's default is 1.0
    "result_chord_retry_interval": 0.01,
}


#: Where a spec decides what these are, they lead to the namespace; so does each text or nothing that it sets.
SCHEMAS: Final = "database_table_schemas"
LEADING: Final = frozenset(
    {"global_keyprefix", "master_name", "host", "port", "database", "user", "password"}
)


def with_defaults(ours: Mapping[str, Any], own: Mapping[str, Any], backend: str = "") -> dict[str, Any]:
    """A test's own settings on top of ours; in a dictionary, ours stay where the test says nothing.

    Raises BadSettings where the test's would lead it out of its place on the *backend*.

    >>> with_defaults({"options": {"prefix": "a"}}, {"options": {"retries": 1}})["options"]
    {'prefix': 'a', 'retries': 1}
    """
    for name in (each for each in own if each in ours):
        _check(name, ours[name], own[name], backend)
    ours = {**DEFAULTS, **ours}
    together = {**ours, **own}
    for name in ours.keys() & own.keys():
        if isinstance(ours[name], Mapping) and isinstance(own[name], Mapping):
            together[name] = {**ours[name], **own[name]}
    return together


def _check(name: str, our_value: Any, own_value: Any, backend: str) -> None:
    """A number, as a time to live, leads nowhere; nor does what is in a dictionary and has no leading name."""
    if own_value == our_value or isinstance(our_value, int | float):
        return
    if isinstance(our_value, Mapping) and name != SCHEMAS:
        leading = [key for key in own_value or () if key in LEADING]
        if not leading:
            return
        name = f"{leading[0]} of {name}"
    raise BadSettings(
        f"{name} among a test's settings would lead it out of its place on {backend}",
        tried=["each test has a place of its own, which the backend's settings name"],
        remedy=f'@pytest.mark.backends("{backend}")  # and no {name} in marker, fixture or hook',
    )
