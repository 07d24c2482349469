"""Compares a value with what came back, types included, and says where they part.

Nothing is asked of a value's own ``==``, which may lie or raise: parts are compared, down to Python's own types.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from .constituents import ABSENT, PLAIN, Constituent, constituents, is_same_atom

#: A value's repr in a message has at most so many characters.
SHOWN: Final = 80

#: Stands for a value that comes back as it was sent.
SAME: Final = object()


class _Place(NamedTuple):
    """Where a part stands: what leads to it from the part around it."""

    step: str
    above: _Place | None

    def __str__(self) -> str:
        steps, place = [self.step], self.above
        while place is not None:
            steps.append(place.step)
            place = place.above
        return "".join(reversed(steps))


def difference(expected: Any, observed: Any, path: str = "") -> str:
    """The first place where two values differ; empty where they are the same in value and type.

    NaN is the same as NaN, and 0.0 is not -0.0; the order of a dictionary's keys counts, as do an exception's
    cause, notes and attributes.

    >>> difference({"items": [{"when": 1.5}]}, {"items": [{"when": "1.5"}]})
    '["items"][0]["when"]: float -> str'
    >>> difference({1: "a"}, {"1": "a"})
    "key 1 -> '1'"
    >>> difference(float("nan"), float("nan"))
    ''
    """
    pending = [(expected, observed, _Place(path, None))]
    seen: dict[tuple[int, int], tuple[Any, Any]] = {}  # holds the values: their ids are theirs as long
    while pending:
        one, other, place = pending.pop()
        if one is other or (id(one), id(other)) in seen:
            continue
        found, parts = _compared(one, other)
        if found:
            where = str(place)
            return f"{where}: {found}" if where else found
        if parts:
            seen[id(one), id(other)] = one, other
        pending += [(each, its, _Place(step, place)) for step, each, its in reversed(parts)]
    return ""


def shown(value: Any, limit: int = SHOWN) -> str:
    """A value's repr, cut; also of a value that cannot be shown.

    >>> shown("x" * 100, 20)
    "'xxxxxxxxxxxxxxxx..."
    """
    try:
        text = repr(value)
    except Exception as error:  # whatever a repr of the user's raises; a deep list's raises RecursionError
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


_Parts = list[tuple[str, Any, Any]]


def _compared(one: Any, other: Any) -> tuple[str, _Parts]:
    """What two values differ in by themselves, else the parts in which they may, each with the step to it."""
    if type(one) is not type(other):
        return _types(one, other), []
    same = is_same_atom(one, other)
    if same is not None:
        return "" if same else _changed(one, other), []
    parts: _Parts = []
    for ours, theirs in zip_longest(constituents(one), constituents(other)):
        found, more = _in_constituent(ours, theirs)
        if found:
            return found, []
        parts += more
    return "", parts


def _in_constituent(ours: Constituent | None, theirs: Constituent | None) -> tuple[str, _Parts]:
    if ours is None or theirs is None:
        return f"what it is made of: {shown(ours)} -> {shown(theirs)}", []
    if ours.kind == "keys":
        return _in_mapping(ours.content, theirs.content)
    if ours.kind == "members":
        return _in_set(ours.content, theirs.content)
    if ours.kind == "items":
        return _in_sequence(ours.content, theirs.content)
    names = dict.fromkeys([*ours.content, *theirs.content])
    return "", [(name, ours.content.get(name, ABSENT), theirs.content.get(name, ABSENT)) for name in names]


def _types(one: Any, other: Any) -> str:
    if other is ABSENT:
        return f"{shown(one)} is gone"
    if one is ABSENT:
        return f"{shown(other)} came on top"
    kinds = (type(one), type(other))
    names = [kind.__name__ for kind in kinds]
    if names[0] == names[1]:
        names = [f"{kind.__module__}.{kind.__qualname__}" for kind in kinds]
        names[1] += " of the same name" if names[0] == names[1] else ""
    return " -> ".join(names)


def _changed(one: Any, other: Any) -> str:
    if isinstance(one, (str, bytes, bytearray)) and max(len(one), len(other)) > SHOWN // 2:
        return _in_text(one, other)
    zones = getattr(one, "tzinfo", None), getattr(other, "tzinfo", None)
    if (zones[0] is None) != (zones[1] is None):
        kind = type(one).__name__
        return " -> ".join(f"naive {kind}" if zone is None else f"aware {kind}" for zone in zones)
    texts = shown(one), shown(other)
    if zones[0] is not None and one.utcoffset() == other.utcoffset() and str(zones[0]) != str(zones[1]):
        return f"time zone {zones[0]} -> {zones[1]}"
    return " -> ".join(texts)


def _in_text(one: Any, other: Any) -> str:
    """Long texts are shown from where they part."""
    length = min(len(one), len(other))
    start = next((index for index in range(length) if one[index] != other[index]), length)
    lengths = "" if len(one) == len(other) else f" (length {len(one)} -> {len(other)})"
    window = slice(start, start + SHOWN // 4)
    return f"from index {start} on: {one[window]!r} -> {other[window]!r}{lengths}"


def _in_sequence(ones: list[Any], others: list[Any]) -> tuple[str, _Parts]:
    if len(ones) != len(others):
        return f"{len(ones)} items -> {len(others)} items", []
    pairs = enumerate(zip(ones, others, strict=True))
    return "", [(f"[{index}]", *pair) for index, pair in pairs if not _is_same_plain(*pair)]


def _is_same_plain(one: Any, other: Any) -> bool:
    """Most of what is in long lists; it needs no look at where it stands."""
    return type(one) is type(other) and type(one) in PLAIN and bool(one == other)


def _in_mapping(ones: list[tuple[Any, Any]], others: list[tuple[Any, Any]]) -> tuple[str, _Parts]:
    keys, their_keys = [key for key, _ in ones], [key for key, _ in others]
    partners = _partners(keys, their_keys)
    missing = [index for index, partner in enumerate(partners) if partner is None]
    added = [index for index in range(len(others)) if index not in set(partners)]
    if missing and added:
        return f"key {shown(keys[missing[0]])} -> {shown(their_keys[added[0]])}", []
    if missing:
        return f"key {shown(keys[missing[0]])} is gone", []
    if added:
        return f"key {shown(their_keys[added[0]])} came on top", []
    if partners != sorted(partners, key=lambda partner: partner or 0):
        orders = (", ".join(shown(key, SHOWN // 4) for key in each[:4]) for each in (keys, their_keys))
        return f"order of keys: {' -> '.join(orders)}", []
    return "", [
        (_key_step(key), one, other)
        for (key, one), (_, other) in zip(ones, others, strict=True)
        if not _is_same_plain(one, other)
    ]


def _in_set(ones: list[Any], others: list[Any]) -> tuple[str, _Parts]:
    partners = _partners(ones, others)
    if None in partners:
        return f"member {shown(ones[partners.index(None)])} is gone", []
    added = [index for index in range(len(others)) if index not in set(partners)]
    return f"member {shown(others[added[0]])} came on top" if added else "", []


def _partners(ones: Iterable[Any], others: list[Any]) -> list[int | None]:
    """For each value the index of one that is the same in value and type, None where there is none."""
    known: Mapping[tuple[type, Any], int] = {
        (type(each), each): index for index, each in enumerate(others) if type(each) in PLAIN
    }
    rest = [index for index, each in enumerate(others) if type(each) not in PLAIN]
    found: list[int | None] = []
    for one in ones:
        if type(one) in PLAIN:
            found.append(known.get((type(one), one)))
            continue
        partner = next((index for index in rest if not difference(one, others[index])), None)
        found.append(partner)
        if partner is not None:
            rest.remove(partner)
    return found


def _key_step(key: Any) -> str:
    """
    >>> _key_step("when"), _key_step('a"b'), _key_step(1)
    ('["when"]', '["a\\\\"b"]', '[1]')
    """
    return (
        f"[{json.dumps(key, ensure_ascii=not key.isprintable())}]" if type(key) is str else f"[{shown(key)}]"
    )
