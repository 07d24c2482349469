"""What a store takes from the request of the task that it is made for."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

#: What ``Backend._get_result_meta`` reads of a request (``celery/backends/base.py``), whatever the settings,
ALWAYS: Final = ("group", "parent_id")
#: and with ``result_extended``.
EXTENDED: Final = (
    "task",
    "args",
    "kwargs",
    "hostname",
    "retries",
    "delivery_info",
    "stamps",
    "stamped_headers",
)
_NAMES: Final = (*ALWAYS, *EXTENDED)
_all_of = attrgetter(*_NAMES)


class Snapshot(NamedTuple):
    """What a request said at one moment: its fields in the order of their names above, and ids and tuples of children.

    The children themselves are not kept: a result that is kept goes on being subscribed to.
    """

    values: tuple[Any, ...]
    children: tuple[tuple[str, Any], ...]

    @property
    def attempt(self) -> int:
        """How often the task has run, with this time."""
        return (self.values[_NAMES.index("retries")] or 0) + 1

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields that end up in what is stored, but for empty ones.

        >>> from celery.app.task import Context
        >>> snapshot(Context(task="shop.add", args=(1,), retries=0, reply_to="somebody", children=[])).fields
        {'task': 'shop.add', 'args': (1,)}
        """
        fields = {name: value for name, value in zip(_NAMES, self.values, strict=True) if value}
        return {**fields, "children": [child for _, child in self.children]} if self.children else fields


def snapshot(request: Any) -> Snapshot | None:
    """What a request says now; None where there is no request."""
    if request is None:
        return None
    try:
        values = _all_of(request)
    except AttributeError:  # anything may be given to a store that is made by hand
        values = tuple(getattr(request, name, None) for name in _NAMES)
    children = getattr(request, "children", None)
    return Snapshot(values, tuple((child.id, child.as_tuple()) for child in children) if children else ())


def written_fields(fields: Mapping[str, Any], *, is_extended: bool) -> dict[str, Any]:
    """Those of a request's fields that a store with these settings writes down.

    >>> written_fields({"group": "g1", "task": "shop.add"}, is_extended=False)
    {'group': 'g1'}
    >>> written_fields({"delivery_info": {"routing_key": "celery", "redelivered": False}}, is_extended=True)
    {'delivery_info': {'routing_key': 'celery'}}
    """
    names = (*ALWAYS, "children", *(EXTENDED if is_extended else ()))
    found = {name: fields[name] for name in names if name in fields}
    if "delivery_info" in found:
        found["delivery_info"] = {"routing_key": found["delivery_info"].get("routing_key")}
    return found
