"""Which states a task went through, as the worker stored them and as the store holds them."""

from __future__ import annotations

from difflib import get_close_matches
from types import EllipsisType
from typing import Any

from celery import states

from ..capabilities import Capability
from ..decoding import decoder
from ..errors import WaitTimeout
from ..lease import Lease
from ..probes.keys import state_in
from ..spec import Probe
from ..state_patterns import Element, Times, difference, shown
from ..timeline import Observation, Timeline
from .subject import Subject, failed, task_id_of

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def _final(timeline: Timeline) -> bool:
    return any(seen.state in states.READY_STATES and not seen.error for seen in timeline)


def _is_over(timeline: Timeline) -> bool:
    return _final(timeline) or bool(timeline.unstored)


def wait_for(lease: Lease, subject: Subject, result: Any, state: str, timeout: float) -> Observation:
    """Wait until a task was seen in a state and, if that is final, until the store holds it."""
    task_id = task_id_of(result, lease)
    check_state(lease, subject, state)

    def seen() -> Observation | None:
        timeline = lease.recorder.seen(task_id)
        return next((one for one in timeline if one.state == state and not one.error), None)

    lease.recorder.wait_until(lambda: seen() is not None or _is_over(lease.recorder.seen(task_id)), timeout)
    timeline = lease.recorder.timeline(task_id)
    observation = seen()
    if observation is None:
        raise _never_came(lease, subject, task_id, state, timeline, timeout)
    _check_kept(lease, subject, timeline, state)
    return observation


def _never_came(
    lease: Lease, subject: Subject, task_id: str, state: str, timeline: Timeline, timeout: float
) -> Exception:
    refused = next((seen for seen in timeline if seen.state == state and seen.error), None)
    if refused is not None:
        what = f"task {subject.short(task_id)} was {state}, which could not be stored: {refused.error}"
        return failed(what, [("observed", str(timeline))])
    if _is_over(timeline):
        return failed(f"task {subject.short(task_id)} ended without {state}", [("observed", str(timeline))])
    what = f"task {subject.short(task_id)} was not {state} within {timeout:g} s"
    return _still_going(lease, what, timeline, f"wait_for(result, {state!r}, timeout={timeout * 2:g})")


def _still_going(lease: Lease, what: str, timeline: Timeline, remedy: str = "") -> WaitTimeout:
    worker = lease.worker
    running = [f"running: {run}" for run in worker.ledger.running.values()] if worker else []
    waiting = (
        [f"waiting in queues: {', '.join(worker.waiting_messages)}"]
        if worker and worker.waiting_messages
        else []
    )
    unsent = "" if lease.recorder.is_known(timeline.task_id) else ", and no such task was sent in this test"
    return WaitTimeout(
        what,
        tried=[f"observed: {timeline}{unsent}", *running, *waiting],
        remedy=f"result_backend.{remedy}" if remedy else "timeout=60  # as an argument",
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
    lease: Lease, subject: Subject, result: Any, expected: tuple[Element, ...], timeout: float
) -> None:
    """Assert the states that were stored for a task, in order and all of them."""
    task_id = task_id_of(result, lease)
    for element in expected:
        if not isinstance(element, EllipsisType):
            check_state(lease, subject, element.state if isinstance(element, Times) else element)
    timeline = ended(lease, task_id, timeout)
    parts = difference(expected, timeline.states)
    if parts is not None:
        raise failed(
            f"task {subject.short(task_id)} did not go through the expected states",
            [("expected", shown(expected)), ("observed", str(timeline)), ("first difference", parts)],
        )
    if timeline:
        _check_kept(lease, subject, timeline, timeline[-1].state)


def ended(lease: Lease, task_id: str, timeout: float) -> Timeline:
    """What happened to a task, once it has ended or the time is over."""
    lease.recorder.wait_until(lambda: _is_over(lease.recorder.seen(task_id)), timeout)
    return lease.recorder.timeline(task_id)


def assert_never(
    lease: Lease, subject: Subject, result: Any, unwanted: tuple[str, ...], timeout: float
) -> None:
    """Assert that a task ended, and that none of these states was ever stored for it."""
    task_id = task_id_of(result, lease)
    for state in unwanted:
        check_state(lease, subject, state)
    timeline = must_end(lease, subject, task_id, timeout)
    found = [seen for seen in timeline if seen.state in unwanted]
    if found:
        raise failed(
            f"task {subject.short(task_id)} was {found[0].state}, which it must never be",
            [("observed", str(timeline)), *(("stored", _value(seen)) for seen in found)],
        )


def assert_retried(lease: Lease, subject: Subject, result: Any, times: int, timeout: float) -> None:
    """Assert that a task ended after exactly so many retries."""
    task_id = task_id_of(result, lease)
    timeline = must_end(lease, subject, task_id, timeout)
    retries = [seen for seen in timeline if seen.state == states.RETRY and not seen.error]
    if len(retries) != times:
        raise failed(
            f"task {subject.short(task_id)} was retried {len(retries)} times, not {times}",
            [("observed", str(timeline)), *(("because of", _value(seen)) for seen in retries)],
        )


def assert_revoked(lease: Lease, subject: Subject, result: Any, timeout: float) -> None:
    """Assert that a task ended as REVOKED, and that the store says so."""
    task_id = task_id_of(result, lease)
    timeline = must_end(lease, subject, task_id, timeout)
    if timeline[-1].state != states.REVOKED:
        raise failed(f"task {subject.short(task_id)} was not revoked", [("observed", str(timeline))])
    _check_kept(lease, subject, timeline, states.REVOKED)


def assert_progress(
    lease: Lease, subject: Subject, result: Any, key: str, increasing: bool, timeout: float
) -> None:
    """Assert that a task stored custom states, each with *key* in its meta, and never a smaller one."""
    task_id = task_id_of(result, lease)
    timeline = must_end(lease, subject, task_id, timeout)
    reports = [seen for seen in timeline if seen.state not in states.ALL_STATES]
    problem = "stored no state of its own" if not reports else _lack(reports, key)
    values = [seen.value[key] for seen in reports] if not problem else []
    if increasing and not problem and values != sorted(values):
        problem = f"went back: {key} was {', '.join(map(repr, values))}"
    if problem:
        raise failed(f"task {subject.short(task_id)} {problem}", [("observed", str(timeline))])


def _lack(reports: list[Observation], key: str) -> str:
    for seen in reports:
        if seen.error:
            return f"reported {seen.state} in vain: {seen.error}"
        if not isinstance(seen.value, dict) or key not in seen.value:
            return f"reported {seen.state} without {key!r}: {seen.value!r}"
    return ""


def must_end(lease: Lease, subject: Subject, task_id: str, timeout: float) -> Timeline:
    """What happened to a task that has ended; raises WaitTimeout where it does not."""
    timeline = ended(lease, task_id, timeout)
    if timeline.unstored:
        raise failed(f"task {subject.short(task_id)} left no result", [("observed", str(timeline))])
    if not _final(timeline):
        raise _still_going(lease, f"task {subject.short(task_id)} did not end within {timeout:g} s", timeline)
    return timeline


def _value(seen: Observation) -> str:
    return f"{seen.state} {seen.value!r}"


def _check_kept(lease: Lease, subject: Subject, timeline: Timeline, state: str) -> None:
    """A store that returns has not always kept what it was given: look into the store itself."""
    if lease.recorder.was_forgotten(timeline.task_id):
        return  # it is gone, as it should be
    headline = f"task {subject.short(timeline.task_id)}: the store did not keep what it was given"
    if not lease.spec.verdict(Capability.REREAD):  # what was read is gone: what was sent is looked at
        sent = states_sent(lease, timeline.task_id)
        if state not in sent:
            rows = [("worker stored", str(timeline)), ("broker was given", " -> ".join(sent) or "nothing")]
            raise failed(headline, rows)
        return
    held = state_in_store(lease.probe, timeline.task_id)
    later = lease.recorder.seen(timeline.task_id).states  # it may have gone on meanwhile
    if held != state and held not in later[later.index(state) :]:
        raise failed(headline, [("worker stored", str(timeline)), ("store holds", held or "nothing")])


def states_sent(lease: Lease, task_id: str) -> list[str]:
    """The states in the messages that a backend sent for a task."""
    decode = decoder(lease.app.conf.result_serializer)
    return [state_in(body, decode) for body in lease.host.replies(task_id)]


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
