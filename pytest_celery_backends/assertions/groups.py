"""Whether groups are complete, and chords ran their body once."""

from __future__ import annotations

from typing import Any

from celery import states

from ..capabilities import Capability
from ..lease import Lease
from ..limits import Limit
from ..timeline import Observation, Timeline
from .states import ended, must_end, still_going
from .subject import Subject, failed, known_task_id, task_id_of

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def assert_group_complete(lease: Lease, subject: Subject, result: Any, timeout: float) -> None:
    """Assert that each member of a group succeeded, and that the store holds each as it ended."""
    members = [task_id_of(member, lease) for member in _members(result)]
    limit = Limit(timeout)
    rows = []
    open_ends = []
    for task_id in members:
        timeline = ended(lease, task_id, limit.left)
        if not timeline.has_ended and not timeline.lost_end:
            open_ends.append(timeline)
        stored = lease.held_state(task_id) if lease.spec.verdict(Capability.REREAD) else states.SUCCESS
        if [timeline.states[-1:], stored] != [[states.SUCCESS], states.SUCCESS]:
            rows.append((task_id[:8], f"{timeline}; the store holds {stored or 'nothing'}"))
    if open_ends:
        count = (
            f"{len(open_ends)} of {len(members)} members of group {subject.short(task_id_of(result, lease))}"
        )
        raise still_going(lease, f"{count} did not end within {timeout:g} s", open_ends[0])
    if rows:
        headline = (
            f"{len(rows)} of {len(members)} members of group {subject.short(task_id_of(result, lease))}"
        )
        raise failed(f"{headline} are not complete", rows[:10])


def _members(result: Any) -> list[Any]:
    if not hasattr(result, "results"):
        raise failed(f"{result!r} is no group", [("takes", "a GroupResult: what group(...).delay() gives")])
    if not result.results:
        raise failed(f"group {result.id} has no members", [("takes", "a group of one task or more")])
    return list(result.results)


def assert_chord_ran_once(lease: Lease, subject: Subject, result: Any, timeout: float) -> None:
    """Assert that a chord's body ran, once, and after every task of its header had ended."""
    task_id = known_task_id(result, lease)
    limit = Limit(timeout)
    must_end(lease, subject, task_id, timeout)
    header = _header(result)
    if not header and task_id not in lease.recorder.bodies:
        takes = "what calling a chord gives: chord(header)(body)"
        raise failed(f"task {subject.short(task_id)} is no body of a chord", [("takes", takes)])
    body = f"the body of chord {subject.short(task_id)}"
    worker = lease.worker
    # a second run may be under way
    if worker is not None and not worker.wait_until(lambda: not worker.has_work, limit.left):
        what = f"{body} may run again: tasks went on for {timeout:g} s"
        raise still_going(lease, what, lease.recorder.timeline(task_id))
    _check_once(lease, body, lease.recorder.timeline(task_id), header)


def _check_once(lease: Lease, body: str, timeline: Timeline, header: list[str]) -> None:
    ends = [seen for seen in timeline if seen.state in states.READY_STATES and not seen.error]
    if len(ends) != 1:
        raise failed(f"{body} ended {len(ends)} times", [("observed", str(timeline))])
    if not any(event.kind == "started" for event in timeline.events):
        why = f"{ends[0].state} {ends[0].value!r}"
        raise failed(f"{body} never ran", [("observed", str(timeline)), ("stored", why)])
    late = [name for name in header if not _ended_before(lease.recorder.timeline(name), ends[0])]
    if late:
        rows = [("header", f"{name[:8]}: {lease.recorder.timeline(name)}") for name in late[:10]]
        raise failed(f"{body} ran before its header had ended", [("observed", str(timeline)), *rows])


def _header(result: Any) -> list[str]:
    """The tasks of a chord's header, where its result knows them; Celery makes a chain of a chord of one task."""
    parent = getattr(result, "parent", None)
    if parent is None:
        return []
    return [str(member.id) for member in getattr(parent, "results", None) or [parent]]


def _ended_before(timeline: Timeline, body: Observation) -> bool:
    """Whether a store of the end began before the body's: others may see it, and act on it, before it has returned."""
    return any(
        seen.state in states.READY_STATES and not seen.error and seen.began <= body.began for seen in timeline
    )
