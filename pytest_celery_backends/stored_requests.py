"""What a store takes from the request of the task that it is made for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

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


def request_fields(request: Any) -> Mapping[str, Any] | None:
    """The fields of a request that end up in what is stored, but for empty ones; None where there is no request.

    >>> from celery.app.task import Context
    >>> request_fields(Context(task="shop.add", args=(1,), retries=0, reply_to="somebody", children=[]))
    {'task': 'shop.add', 'args': (1,)}
    """
    if request is None:
        return None
    fields = {name: value for name in (*ALWAYS, *EXTENDED) if (value := getattr(request, name, None))}
    children = getattr(request, "children", None)
    return {**fields, "children": [child.as_tuple() for child in children]} if children else fields


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
