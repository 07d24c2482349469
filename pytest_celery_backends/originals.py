"""What mutable things held before a test, and putting it back in place.

Identity is kept: whoever holds a list or a dictionary of the app holds the same one afterwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, MutableMapping
from operator import is_
from typing import Any, Final

#: What can be changed in place, and tuples, which may hold such.
_LEADING: Final = (dict, list, set, deque, tuple)
#: Of most values their class says faster that there is nothing in them to change.
PLAIN: Final = frozenset({str, int, float, bool, type(None)})


class Originals:
    """Containers as they were when they were first seen.

    >>> routes = {"shop.*": {"queue": "shop"}}
    >>> originals = Originals()
    >>> originals.watch(routes)
    >>> routes["shop.*"]["queue"] = "other"
    >>> originals.put_back()
    True
    >>> routes
    {'shop.*': {'queue': 'shop'}}
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Any, Any]] = {}

    def watch(self, value: object) -> None:
        """Remember a dict, list, set or deque and those within it; of anything else nothing."""
        self.watch_all((value,))

    def watch_all(self, values: Iterable[object]) -> None:
        """Remember all containers among the values."""
        seen = self._seen
        pending = _leading(values)
        while pending:
            item = pending.pop()
            if id(item) not in seen:
                seen[id(item)] = (item, _shallow(item))
                if item:  # most are empty
                    pending += _leading(item.values() if isinstance(item, dict) else item)

    def put_back(self) -> bool:
        """Undo every change in place, and say whether there was one."""
        # a worker's thread may be looking at settings still
        seen, self._seen = self._seen, {}
        changed = [container for container, before in list(seen.values()) if _reset(container, before)]
        return bool(changed)


def _leading(values: Iterable[object]) -> list[Any]:
    return [value for value in values if type(value) not in PLAIN and isinstance(value, _LEADING)]


def put_back_attributes(attributes: MutableMapping[str, Any], before: MutableMapping[str, Any]) -> None:
    """Give an object's ``__dict__`` its earlier content, never without what other threads may read."""
    attributes.update(before)
    for name in [name for name in attributes if name not in before]:
        del attributes[name]


def reset_dict(container: dict[Any, Any], before: dict[Any, Any]) -> bool:
    """Give a dictionary its earlier content and order; other threads always see the earlier entries."""
    if is_same_dict(container, before):
        return False
    dict.update(container, before)
    for key in [key for key in dict.keys(container) if key not in before]:
        dict.__delitem__(container, key)
    if list(dict.keys(container)) != list(before):
        dict.clear(container)
        dict.update(container, before)
    return True


def is_same_dict(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> bool:
    """Whether two mappings have the same objects in the same order."""
    return list(one) == list(other) and _is_same(one.values(), other.values())


def _shallow(container: Any) -> Any:
    for kind in (dict, set, tuple):
        if isinstance(container, kind):
            return container if kind is tuple else kind(container)
    return list(container)


def _reset(container: Any, before: Any) -> bool:
    if container is before:
        return False
    if isinstance(container, dict):
        return reset_dict(container, before)
    is_set = isinstance(container, set)
    if container == before if is_set else _is_same(container, before):
        return False
    container.clear()
    (container.update if is_set else container.extend)(before)
    return True


def _is_same(ones: Any, others: Any) -> bool:
    return len(ones) == len(others) and all(map(is_, ones, others))
