"""What the store holds for what a test points at: a task, the members of a group, or one entry by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..lease import Lease
from ..spec import StoredResult
from ..timeline import DEFAULT_TIMEOUT
from .subject import Subject, failed, task_id_of

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def entries_of(result: Any, lease: Lease) -> list[StoredResult]:
    """All that is stored for a result: of a group its own record and those of its members.

    *result* is an AsyncResult, a GroupResult, a task's id, or an entry of ``result_backend.stored()``.
    """
    stored = list(lease.probe.stored())
    if isinstance(result, StoredResult):
        return [one for one in stored if (one.kind, one.key, one.task_id) == _place(result)]
    task_id_of(result, lease)  # says what is wrong with it
    wanted = set(ids_of(result))
    return [one for one in stored if one.task_id in wanted and one.kind in ("task", "group", "message")]


def _place(entry: StoredResult) -> tuple[str, str, str]:
    return entry.kind, entry.key, entry.task_id


def ids_of(result: Any) -> Iterator[str]:
    """The id of a result, and of a group's members, however deep."""
    yield _id(result)
    for member in getattr(result, "results", None) or ():
        yield from ids_of(member)


def task_ids_of(result: Any) -> Iterator[str]:
    """The ids of the tasks behind a result: those of a group's members, however deep, not the group's own."""
    if not hasattr(result, "results"):
        yield _id(result)
    for member in getattr(result, "results", None) or ():
        yield from task_ids_of(member)


def _id(result: Any) -> str:
    return result if isinstance(result, str) else str(result.id)


def named(result: Any, lease: Lease, subject: Subject) -> str:
    """A result as messages name it."""
    if isinstance(result, StoredResult):
        return f"{result.kind} {subject.short(result.task_id or result.key)}"
    kind = "group" if hasattr(result, "results") else "task"
    return f"{kind} {subject.short(task_id_of(result, lease))}"


def held_entries(result: Any, lease: Lease, subject: Subject, wanted: str) -> list[StoredResult]:
    """What is stored for a result; a task that is under way is waited for.

    For what is stored meanwhile one gives an entry of ``stored()``.

    Raises:
        AssertionError: that is nothing, or one of a group's members has nothing. A group need not be saved.
    """
    tasks = [] if isinstance(result, StoredResult) else list(task_ids_of(result))
    lease.recorder.wait_until(lambda: not any(map(lease.recorder.is_under_way, tasks)), DEFAULT_TIMEOUT)
    found = entries_of(result, lease)
    held = {one.task_id for one in found}
    missing = [task_id for task_id in tasks if task_id not in held]
    if found and not missing:
        return found
    rows = [("expected", wanted), *(("not stored", f"task {task_id}") for task_id in missing if found)]
    raise failed(f"{named(result, lease, subject)} is not stored, so nothing can expire", rows[:10])
