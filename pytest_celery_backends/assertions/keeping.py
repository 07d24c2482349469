"""Whether a store kept what it was given: that it returned does not say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from celery import states

from ..capabilities import Capability
from ..lease import Lease
from ..probes.keys import state_in
from ..timeline import Observation, Timeline
from .subject import Subject, failed

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def check_kept(lease: Lease, subject: Subject, timeline: Timeline, *wanted: str) -> None:
    """A store that returns has not always kept what it was given: what it held after each of these states."""
    if lease.recorder.was_forgotten(timeline.task_id):
        return  # it is gone, as it should be
    is_reread = bool(lease.spec.verdict(Capability.REREAD))
    rows = (_overwritten if is_reread else _unsent)(lease, timeline, wanted)
    if rows:
        headline = f"task {subject.short(timeline.task_id)}: the store did not keep what it was given"
        raise failed(headline, [("worker stored", str(timeline)), *rows])


def _unsent(lease: Lease, timeline: Timeline, wanted: tuple[str, ...]) -> list[tuple[str, str]]:
    """What was read is gone: what was sent is looked at."""
    sent = states_sent(lease, timeline.task_id)
    stored = Counter(seen.state for seen in timeline if seen.state in wanted and not seen.error)
    return [("broker was given", " -> ".join(sent) or "nothing")] if stored - Counter(sent) else []


def _overwritten(lease: Lease, timeline: Timeline, wanted: tuple[str, ...]) -> list[tuple[str, str]]:
    lost = [
        seen
        for index, seen in enumerate(timeline)
        if seen.state in wanted and seen.instead is not None and not _is_guarded(seen, timeline[:index])
    ]
    if lost:
        return [("store held", f"{seen.instead or 'nothing'} instead of {seen.state}") for seen in lost]
    final = next((state for state in reversed(wanted) if state in states.READY_STATES), None)
    if final is None:
        return []
    held = lease.held_state(timeline.task_id)
    later = lease.recorder.seen(timeline.task_id).states  # it may have gone on meanwhile
    is_kept = held == final or (final in later and held in later[later.index(final) :])
    return [] if is_kept else [("store holds", held or "nothing")]


def _is_guarded(seen: Observation, before: Sequence[Observation]) -> bool:
    """Whether Celery kept a success from being overwritten, as it does on key-value stores."""
    return seen.instead == states.SUCCESS and any(each.state == states.SUCCESS for each in before)


def states_sent(lease: Lease, task_id: str) -> list[str]:
    """The states in the messages that a backend sent for a task."""
    return [state_in(body, lease.decode) for body in lease.host.replies(task_id)]
