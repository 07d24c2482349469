"""Reads one result in a fresh process that has nothing but the configuration, as a web server would.

``main`` is what runs there, with a request on its input.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .written import written

#: Settings that say how tasks are sent and run; a reader needs none of them, and some are functions.
_OF_TASKS = (
    "broker_",
    "beat_",
    "event_",
    "worker_",
    "task_",
    "control_",
    "imports",
    "include",
    "deprecated_",
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What another process read: ``value`` as ``written`` puts it, ``error`` where reading failed."""

    state: str = ""
    value: str = ""
    traceback: str | None = None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the other process is told. ``enter`` sets up what a project has set up before Celery is used."""

    task_id: str
    settings: Mapping[str, Any]
    serializers: Mapping[str, tuple[Any, ...]]
    enter: Callable[[], None] | None


def read_elsewhere(app: Any, task_id: str, enter: Callable[[], None] | None, timeout: float) -> Reading:
    """What a fresh process reads of a task, which knows the app's settings for results and nothing else.

    Arguments:
        enter: called there first; it has to be importable, as all that is pickled.
        timeout: seconds for all of it, the start of Python included.
    """
    settings, left_out = _sendable(app)
    request = Request(task_id=task_id, settings=settings, serializers=_own_serializers(app), enter=enter)
    message = pickle.dumps((sys.path, pickle.dumps(request)))
    # not with -m: what is pickled is of this module, not of __main__
    command = [sys.executable, "-c", f"from {__name__} import main; main()"]
    # where this package was found, which may be no directory that a fresh Python looks into
    path = os.pathsep.join([os.path.dirname(os.path.dirname(__file__)), os.environ.get("PYTHONPATH", "")])
    try:
        done = subprocess.run(
            command,
            input=message,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)},
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Reading(error=f"no answer within {timeout:g} s")
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit {done.returncode}"]
        hint = f" (settings that cannot be sent to it: {', '.join(left_out)})" if left_out else ""
        return Reading(error=words[-1] + hint)
    return Reading(**json.loads(done.stdout.splitlines()[-1]))


def _sendable(app: Any) -> tuple[dict[str, Any], list[str]]:
    settings, left_out = {}, []
    for name, value in app.conf.table(with_defaults=False, censored=False).items():
        if name.startswith(_OF_TASKS):
            continue
        try:
            pickle.dumps(value)
        except Exception:  # whatever an object raises that cannot be pickled
            left_out.append(name)
        else:
            settings[name] = value
    return settings, left_out


def _own_serializers(app: Any) -> dict[str, tuple[Any, ...]]:
    """The user's serializers, as ``kombu.serialization.register`` takes them; kombu knows its own."""
    from kombu.serialization import registry

    named = {app.conf.result_serializer, *(app.conf.result_accept_content or app.conf.accept_content or ())}
    found = {}
    for name in named & set(registry._encoders):
        content_type, encoding, encode = registry._encoders[name]
        given = (encode, registry._decoders.get(content_type), content_type, encoding)
        try:
            pickle.dumps(given)
        except Exception:  # kombu's own are closures, and there already
            continue
        found[name] = given
    return found


def read(request: Request) -> Reading:
    """What this process reads: called in the other one."""
    from celery import Celery
    from kombu.serialization import register, registry

    if request.enter is not None:
        request.enter()
    for name, given in request.serializers.items():
        if name not in registry._encoders:
            register(name, *given)
    app = Celery("elsewhere", broker="memory://")
    app.conf.update(request.settings)
    app.set_default()
    result = app.AsyncResult(request.task_id)
    state = str(result.state)
    traceback = result.traceback
    return Reading(
        state=state,
        value=written(result.result),
        traceback=None if traceback is None else str(traceback),
    )


def main() -> None:
    """Answer the request on the standard input by one line of JSON."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what users' modules print is no answer
    path, packed = pickle.load(sys.stdin.buffer)
    sys.path[:] = path
    answer.write(f"{json.dumps(asdict(read(pickle.loads(packed))))}\n")
    answer.flush()
