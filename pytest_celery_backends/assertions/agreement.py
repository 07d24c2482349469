"""Whether the worker, another process and the store agree on a result."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from celery import states
from kombu import serialization

from ..capabilities import Capability
from ..celery_release import celery_release
from ..elsewhere import Reading, read_elsewhere
from ..errors import Unsupported
from ..lease import Lease
from ..spec import Held
from ..timeline import Observation
from ..written import written
from .states import must_end
from .subject import Subject, failed, known_task_id

#: How long another process may at least take, in seconds: on a busy machine a Python with Celery takes ten to start.
START_SECONDS: Final = 30.0
#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def assert_same_everywhere(lease: Lease, subject: Subject, result: Any, timeout: float) -> None:
    """Assert that what another process reads, and what the store holds, is what the worker stored."""
    task_id = known_task_id(result, lease)
    verdict = lease.spec.verdict(Capability.ANY_READER)
    if not verdict:
        raise lease.unsupported(
            Unsupported(
                f"assert_same_everywhere() is not possible on {lease.spec.name}: {verdict.reason}",
                remedy='@pytest.mark.backend_requires("any-reader")',
            )
        )
    stored = must_end(lease, subject, task_id, timeout)[-1]
    enter = lease.spec.enter and partial(lease.spec.enter, lease.service, lease.namespace)
    read = read_elsewhere(lease.app, task_id, enter, max(timeout, START_SECONDS))
    held = lease.probe.held(task_id)
    expected = _forms(stored, lease.app.conf.result_serializer)
    texts = {
        "another process read": _as_read(read),
        "the store holds": _as_held(held, stored, partial(_value_in, lease)),
    }
    if all(text in expected for text in texts.values()) and not read.error:
        same = read.traceback == stored.traceback or stored.state not in states.EXCEPTION_STATES
        if same:
            return
        texts = {"another process read": f"{_as_read(read)}, and of the traceback {_end(read.traceback)}"}
    rows = [("worker stored", " or ".join(dict.fromkeys(expected))), *texts.items()]
    raise failed(f"task {subject.short(task_id)} is not the same everywhere", rows)


def _forms(stored: Observation, serializer: str) -> list[str]:
    """What may come back: the value itself, and what the serializer makes of it (a tuple is a list in JSON)."""
    value = stored.value
    is_exception = stored.state in states.EXCEPTION_STATES and isinstance(value, BaseException)
    forms = [f"{stored.state} {written(value)}"]
    try:
        changed = _through(value.args if is_exception else value, serializer)
    except Exception:  # it has no other form: serializers are plugins and raise what they like
        return forms
    text = f"{type(value).__name__}({', '.join(map(written, changed))})" if is_exception else written(changed)
    return [*forms, f"{stored.state} {text}"]


def _through(value: Any, serializer: str) -> Any:
    content_type, encoding, body = serialization.dumps(value, serializer)
    return serialization.loads(body, content_type, encoding, accept={content_type})


def _as_read(read: Reading) -> str:
    return f"nothing: {read.error}" if read.error else f"{read.state} {read.value}"


def _as_held(held: Held | None, stored: Observation, value_in: Callable[[bytes], Any]) -> str:
    if held is None:
        return "nothing"
    try:
        value = value_in(held.raw) if held.raw else None  # NULL, in a database before Celery 5.7
    except (
        Exception
    ) as error:  # it is what the message tells: serializers are plugins and raise what they like
        return f"{held.state} and bytes that cannot be read: {type(error).__name__}: {error}"
    if isinstance(value, Mapping) and "exc_type" in value and stored.state in states.EXCEPTION_STATES:
        arguments = value.get("exc_message")
        arguments = arguments if isinstance(arguments, (list, tuple)) else [arguments]
        return f"{held.state} {value['exc_type']}({', '.join(map(written, arguments))})"
    return f"{held.state} {written(value)}"


def _value_in(lease: Lease, raw: bytes) -> Any:
    """The value in what a store holds: all that is known of the result, or the value alone.

    Up to Celery 5.6 databases hold a pickle, whatever the serializer; Django's cache always does. Elsewhere none is
    loaded that the app would not load itself.
    """
    kinds = {kind.__name__ for kind in type(lease.app.backend).__mro__}
    is_old_database = "DatabaseBackend" in kinds and celery_release() < (5, 7)
    holds_pickles = is_old_database or not lease.spec.verdict(Capability.SERIALIZERS)
    try:
        meta: Any = lease.decode(raw)
    except Exception:  # a pickle is no text, whatever the serializer makes of that
        if not holds_pickles:
            raise
        meta = pickle.loads(raw)
    return meta["result"] if isinstance(meta, Mapping) and {"status", "result"} <= set(meta) else meta


def _end(traceback: str | None) -> str:
    return repr(traceback.strip().splitlines()[-1]) if traceback else "nothing"
