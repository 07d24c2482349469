"""The calls that a test made on its backend, as a script that needs nothing but Celery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..masking import shown_masked
from .literals import Literals, NotWritable
from .servers import Start

#: Settings that lead to the test's own server, or say how tasks run.
_NOT_TAKEN: Final = ("broker_", "worker_", "beat_", "task_", "imports", "include")
#: Says how results are stored, and is taken as the test had it: a password in it is masked, to be filled in.
_OPTIONS: Final = "result_backend_transport_options"

_HEAD: Final = '''\
"""The calls of one test on its result backend. To run it: pip install celery=={version} and the driver, then

{how}
"""

import os
{imports}

from celery import Celery
from celery.app.task import Context
from celery.result import result_from_tuple

app = Celery("reproduce", broker="memory://", backend=os.environ.get("RESULT_BACKEND") or {backend})
app.conf.update(
{settings}
)
backend = app.backend


def store(task_id, result, state, traceback=None, request=None):
    if request is not None:
        children = [result_from_tuple(each, app) for each in request.get("children", [])]
        request = Context(request, children=children)
    backend.store_result(task_id, result, state, traceback=traceback, request=request)
    meta = backend.get_task_meta(task_id, cache=False)
    print(f"{{task_id}}: stored {{state}} {{result!r}}, read {{meta['status']}} {{meta['result']!r}}")


def read(task_id):
    meta = backend.get_task_meta(task_id, cache=False)
    print(f"{{task_id}}: read {{meta['status']}} {{meta['result']!r}}")


def forget(task_id):
    backend.forget(task_id)
    print(f"{{task_id}}: forgotten")


def save_group(group_id, members):
    backend.save_group(group_id, result_from_tuple(members, app))
    print(f"{{group_id}}: saved")


def restore_group(group_id):
    found = backend.restore_group(group_id, cache=False)
    print(f"{{group_id}}: restored {{found and [each.id for each in found]}}")


def delete_group(group_id):
    backend.delete_group(group_id)
    print(f"{{group_id}}: deleted")


{classes}'''

#: What a step of a script calls, with the names of its arguments.
STEPS: Final[Mapping[str, tuple[str, ...]]] = {
    "store": ("task_id", "value", "state", "traceback", "request"),
    "read": ("task_id",),
    "forget": ("task_id",),
    "save_group": ("group_id", "members"),
    "restore_group": ("group_id",),
    "delete_group": ("group_id",),
}


def script(
    version: str, start: Start, settings: Mapping[str, Any], steps: Sequence[tuple[str, Mapping[str, Any]]]
) -> str:
    """A script that stores what a test stored, and reads it back after each store.

    Arguments:
        version: Celery's.
        start: where its store is.
        settings: those that are not Celery's defaults; secrets, and what cannot be written as source, are left out,
            but secrets in the options of the transport are masked.
        steps: what was done, in order: a key of ``STEPS``, and its arguments by name.

    Raises NotWritable for a value that cannot be written as source.
    """
    literals = Literals()
    lines = [f"{name}({', '.join(_arguments(literals, name, given))})" for name, given in steps]
    taken = [
        f"    {name}={literals.source(value)}," for name, value in sorted(_taken(settings, start).items())
    ]
    modules = [each for each in ("sys", "tempfile") if f"{each}." in start.url]
    how = [*([start.command + " &"] if start.command else []), "python reproduce.py"]
    head = _HEAD.format(
        version=version,
        how="\n".join(f"    {line}" for line in how),
        imports="\n".join([*(f"import {each}" for each in modules), *literals.imports]),
        backend=start.url,
        settings="\n".join(taken),
        classes="".join(f"{each}\n\n\n" for each in literals.classes),
    )
    head = head.replace("app.conf.update(\n\n)\n", "").replace("import os\n\n\n", "import os\n\n")
    return head + "\n".join([*lines, ""])


def _arguments(literals: Literals, name: str, given: Mapping[str, Any]) -> list[str]:
    """Those of a step as source, without the defaults at their end."""
    names = list(STEPS[name])
    while given[names[-1]] is None:
        names.pop()
    return [literals.source(given[each]) for each in names]


def _taken(settings: Mapping[str, Any], start: Start) -> dict[str, Any]:
    """The settings of a script; those of the server that it starts go before the test's."""
    given = {**settings, **start.settings}
    if _OPTIONS in settings:
        given[_OPTIONS] = shown_masked(settings[_OPTIONS], _OPTIONS)
    return {
        name: value
        for name, value in given.items()
        if _is_taken(name) and _is_writable(value) and (name == _OPTIONS or not _is_secret(value, name))
    }


def _is_taken(name: str) -> bool:
    return name != "result_backend" and not name.startswith(_NOT_TAKEN)


def _is_secret(value: Any, name: str) -> bool:
    return repr(shown_masked(value, name)) != repr(value)


def _is_writable(value: Any) -> bool:
    try:
        Literals().source(value)
    except NotWritable:
        return False
    return True
