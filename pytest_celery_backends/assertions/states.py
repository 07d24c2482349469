"""Which states a task went through, as the worker stored them and as the store holds them."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import zip_longest
from typing import Any

from celery import states

from ..capabilities import Capability
from ..errors import WaitTimeout
from ..lease import Lease
from ..spec import Probe
from ..timeline import Observation, Timeline
from .subject import Subject, failed, task_id_of

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def _final(timeline: Timeline) -> bool:
    return any(seen.state in states.READY_STATES and not seen.error for seen in timeline)


def wait_for(lease: Lease, subject: Subject, result: Any, state: str, timeout: float) -> Observation:
    """Wait until a task was seen in a state and, if that is final, until the store holds it."""
    task_id = task_id_of(result)
    check_state(lease, subject, state)

    def seen() -> Observation | None:
        timeline = lease.recorder.seen(task_id)
        return next((one for one in timeline if one.state == state and not one.error), None)

    lease.recorder.wait_until(lambda: seen() is not None or _final(lease.recorder.seen(task_id)), timeout)
    timeline = lease.recorder.timeline(task_id)
    observation = seen()
    if observation is None:
        raise _never_came(lease, subject, task_id, state, timeline, timeout)
    if state in states.READY_STATES:
        _check_kept(lease, subject, timeline, state)
    return observation


def _never_came(
    lease: Lease, subject: Subject, task_id: str, state: str, timeline: Timeline, timeout: float
) -> Exception:
    if _final(timeline):
        return failed(f"task {subject.short(task_id)} ended without {state}", [("observed", str(timeline))])
    worker = lease.worker
    running = [f"running: {run}" for run in worker.ledger.running.values()] if worker else []
    waiting = (
        [f"waiting in queues: {', '.join(worker.waiting_messages)}"]
        if worker and worker.waiting_messages
        else []
    )
    return WaitTimeout(
        f"task {subject.short(task_id)} was not {state} within {timeout:g} s",
        tried=[f"observed: {timeline}", *running, *waiting],
        remedy=f"result_backend.wait_for(result, {state!r}, timeout={timeout * 2:g})",
        log="\n".join(run.stack() for run in worker.ledger.running.values()) if worker else "",
    )


def check_state(lease: Lease, subject: Subject, state: str) -> None:
    """Refuse a name that looks like a misspelt state; any other name may be a state of the user's own."""
    seen = {one.state for timeline in lease.recorder.timelines() for one in timeline}
    known = sorted(states.ALL_STATES | seen)
    close = get_close_matches(state, known, n=1, cutoff=0.8)
    if state not in known and close:
        raise failed(
            f"no state is called {state!r}: did you mean {close[0]!r}?", [("states", ", ".join(known))]
        )


def assert_transitions(
    lease: Lease, subject: Subject, result: Any, expected: tuple[str, ...], timeout: float
) -> None:
    """Assert the states that were stored for a task, in order and all of them."""
    task_id = task_id_of(result)
    for state in expected:
        check_state(lease, subject, state)
    lease.recorder.wait_until(lambda: _final(lease.recorder.seen(task_id)), timeout)
    timeline = lease.recorder.timeline(task_id)
    wanted = [state for state in expected if state != states.PENDING]  # PENDING is what no store knows
    if [*timeline.states] != wanted:
        raise failed(
            f"task {subject.short(task_id)} did not go through the expected states",
            [
                ("expected", " -> ".join(expected)),
                ("observed", str(timeline)),
                ("first difference", _first_difference(wanted, timeline.states)),
            ],
        )
    if wanted:
        _check_kept(lease, subject, timeline, wanted[-1])


def _first_difference(expected: list[str], observed: list[str]) -> str:
    for wanted, seen in zip_longest(expected, observed):
        if wanted == seen:
            continue
        if wanted is None:
            return f"{seen} came on top"
        if wanted not in observed:
            return f"{wanted} never came"
        return f"{seen or 'nothing'} came instead of {wanted}"
    return "none"


def _check_kept(lease: Lease, subject: Subject, timeline: Timeline, state: str) -> None:
    """A store that returns has not always kept what it was given: look into the store itself."""
    if not lease.spec.verdict(Capability.REREAD) or lease.recorder.was_forgotten(timeline.task_id):
        return  # what was read is gone, as it should be
    held = state_in_store(lease.probe, timeline.task_id)
    if held != state:
        raise failed(
            f"task {subject.short(timeline.task_id)}: the store did not keep what it was given",
            [("worker stored", str(timeline)), ("store holds", held or "nothing")],
        )


def state_in_store(probe: Probe, task_id: str) -> str:
    """The state that the store holds for a task, read out of band; empty where it holds nothing."""
    return next(
        (
            found.state
            for found in probe.stored()
            if found.task_id == task_id and found.kind in ("task", "message")
        ),
        "",
    )
