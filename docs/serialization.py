"""What serializers do to values on each backend, out of runs of ``tests/backends/test_serialization.py``.

Such a run writes down a file for each backend. They are noted in ``docs/reference/serialization.json`` by Celery's
release: what most backends gave, and for each backend where it differs; the page is made of that.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

SERIALIZERS: Final = ("json", "pickle", "yaml", "msgpack")
#: The roads of the corpus, and what a table of each is called.
ROADS: Final = {"result": "Values that a task returns", "exception": "Exceptions that a task raises"}

#: What became of each value: by road, value and serializer.
Cells = Mapping[str, Mapping[str, Mapping[str, str]]]
#: One release: ``kombu``, ``python``, ``servers``, ``majority`` and ``differs``, the cells of which are by backend.
Record = Mapping[str, Any]


def record(directory: Path, versions: Mapping[str, str]) -> Record:
    """What the files in a directory, one for each backend, say together."""
    notes = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(directory.glob("*.json"))
    }
    if not notes:
        raise SystemExit("no backend wrote down what it did to values: nothing is noted of this run")
    every = {
        key: [cells[key] for note in notes.values() if key in (cells := _flat(note["cells"]))]
        for key in dict.fromkeys(key for note in notes.values() for key in _flat(note["cells"]))
    }
    # a backend on which a serializer cannot be used says nothing about the serializer
    most = {key: _majority(found) for key, found in every.items()}
    differs = {
        name: _deep({key: text for key, text in _flat(note["cells"]).items() if text != most[key]})
        for name, note in notes.items()
    }
    return compact(
        {
            **versions,
            "servers": {name: note["server"] for name, note in notes.items()},
            "majority": _deep(most),
            "differs": differs,
        }
    )


def compact(record: Record) -> Record:
    """A record in which a serializer that a backend does not have is told once, and not for each value."""
    lacks: dict[str, dict[str, str]] = {}
    differs: dict[str, Cells] = {}
    for name, cells in record["differs"].items():
        for (_, _, serializer), told in _flat(cells).items():
            if told.startswith("unsupported"):
                lacks.setdefault(name, {})[serializer] = told
        left = {key: told for key, told in _flat(cells).items() if key[2] not in lacks.get(name, {})}
        if left:
            differs[name] = _deep(left)
    return {**record, "differs": differs, "unsupported": {**record.get("unsupported", {}), **lacks}}


def _majority(found: Sequence[str]) -> str:
    told = [text for text in found if not text.startswith("unsupported")] or list(found)
    return Counter(told).most_common(1)[0][0]


def cells_of(record: Record, backend: str) -> Cells:
    """What became of each value on one backend."""
    lacks = record["unsupported"].get(backend, {})
    found = {**_flat(record["majority"]), **_flat(record["differs"].get(backend, {}))}
    return _deep({key: lacks.get(key[2], told) for key, told in found.items()})


def _flat(cells: Cells) -> dict[tuple[str, str, str], str]:
    return {
        (road, value, serializer): text
        for road, values in cells.items()
        for value, by_serializer in values.items()
        for serializer, text in by_serializer.items()
    }


def _deep(flat: Mapping[tuple[str, str, str], str]) -> Cells:
    found: dict[str, dict[str, dict[str, str]]] = {}
    for (road, value, serializer), text in flat.items():
        found.setdefault(road, {}).setdefault(value, {})[serializer] = text
    return found


def text(found: Mapping[str, Record]) -> str:
    """The records as JSON, a line for each value."""
    releases = [f"{_quoted(each)}: {_record(found[each])}" for each in sorted(found, key=_release)]
    return "{\n" + ",\n".join(releases) + "\n}\n"


def _record(record: Record) -> str:
    parts = [
        f"{_quoted(key)}: {_quoted(record[key])}" for key in ("kombu", "python", "servers", "unsupported")
    ]
    parts.append(f'"majority": {_lines(record["majority"])}')
    differs = [f"{_quoted(name)}: {_lines(cells)}" for name, cells in record["differs"].items()]
    parts.append('"differs": {\n' + ",\n".join(differs) + "\n}" if differs else '"differs": {}')
    return "{\n" + ",\n".join(parts) + "\n}"


def _lines(cells: Cells) -> str:
    roads = []
    for road, values in cells.items():
        lines = [f" {_quoted(value)}: {_quoted(each)}" for value, each in values.items()]
        roads.append(f"{_quoted(road)}: {{\n" + ",\n".join(lines) + "\n}")
    return "{" + ", ".join(roads) + "}"


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


# -- the page

_ABOUT: Final = """\
Each value of `pytest_celery_backends.corpus` was returned by a real task, and each exception of
`pytest_celery_backends.exception_corpus` raised by one, under each serializer on each backend. *same* is the same in
value and type, in all its parts; *changed* says where the first difference is; *rejected* says who refused it and by
which error: the worker, the store, or, where the value is stored and nobody can read it, the read. What becomes of a
value is the serializer's doing: most backends do the same, and where one does not is below."""
#: How many values a line lists.
LISTED: Final = 8


def page(found: Mapping[str, Record]) -> str:
    """The page's text."""
    releases = sorted(found, key=_release)
    newest = found[releases[-1]]
    return "\n\n".join(
        [
            "# What serializers do to values",
            _ABOUT,
            _table(["Celery", "kombu", "Python", "on"], [_ran(each, found[each]) for each in releases]),
            *_majorities(releases[-1], newest),
            f"## Where a backend differs on Celery {releases[-1]}",
            _differences(newest),
            *_older(found, releases),
        ]
    )


def _ran(release: str, record: Record) -> list[str]:
    servers = ", ".join(f"{name}: {server}" for name, server in record["servers"].items())
    return [release, record["kombu"], record["python"], servers]


def _majorities(release: str, record: Record) -> Iterator[str]:
    for road, title in ROADS.items():
        yield f"## {title}, Celery {release}"
        rows = (
            [f"`{value}`", *(_cell(cells.get(serializer, "")) for serializer in SERIALIZERS)]
            for value, cells in record["majority"][road].items()
        )
        yield _table([{"result": "value", "exception": "exception"}[road], *SERIALIZERS], rows)


def _differences(record: Record) -> str:
    """A line for each thing that a backend does otherwise, with the values that it does it to."""
    alike: dict[tuple[str, str], dict[str, list[str]]] = {}
    for name, cells in record["differs"].items():
        for (_, value, serializer), told in _flat(cells).items():
            alike.setdefault((name, told), {}).setdefault(serializer, []).append(value)
    rows = [
        [name, ", ".join(serializers), _named(values), _cell(told)]
        for (name, told), found in alike.items()
        for values, serializers in _turned(found).items()
    ]
    lacks: dict[tuple[str, str], list[str]] = {}
    for name, by_serializer in record["unsupported"].items():
        for serializer, told in by_serializer.items():
            lacks.setdefault((name, told), []).append(serializer)
    rows += [[name, ", ".join(each), "all", _cell(told)] for (name, told), each in lacks.items()]
    return _table(["backend", "serializer", "values", "there"], rows) if rows else "Nowhere."


def _turned(by_serializer: Mapping[str, Sequence[str]]) -> dict[tuple[str, ...], list[str]]:
    """The serializers under which the same values are meant, by these."""
    found: dict[tuple[str, ...], list[str]] = {}
    for serializer, values in by_serializer.items():
        found.setdefault(tuple(values), []).append(serializer)
    return found


def _named(values: Sequence[str]) -> str:
    if len(values) > LISTED * 2:
        return f"{len(values)} values, such as {', '.join(f'`{value}`' for value in values[:LISTED])}"
    return ", ".join(f"`{value}`" for value in values)


def _older(found: Mapping[str, Record], releases: Sequence[str]) -> Iterator[str]:
    newest = _flat(found[releases[-1]]["majority"])
    for release in releases[-2::-1]:
        cells = _flat(found[release]["majority"])
        yield f"## What is otherwise on Celery {release}"
        rows = [
            [f"`{value}`", serializer, _cell(text), _cell(newest.get((road, value, serializer), "not tried"))]
            for (road, value, serializer), text in cells.items()
            if text != newest.get((road, value, serializer))
        ]
        if rows:
            yield _table(["value", "serializer", f"on {release}", f"on {releases[-1]}"], rows)
        yield _differences(found[release])


def _cell(text: str) -> str:
    """
    >>> _cell("changed: tuple -> list|b")
    'changed: tuple → list\\\\|b'
    """
    shown = text.replace("->", "→").replace("\\", "\\\\")
    for special in "|<>*_`[]":
        shown = shown.replace(special, f"\\{special}")
    return shown


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows])


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
