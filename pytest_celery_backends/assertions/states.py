"""Which states a task went through, as the worker stored them and as the store holds them."""

from __future__ import annotations

from collections.abc import Callable
from types import EllipsisType
from typing import Any

from celery import states

from .. import activity
from ..errors import WaitTimeout
from ..lease import Lease
from ..limits import Limit
from ..state_patterns import Element, Times, difference, hints, shown
from ..timeline import Observation, Timeline
from .keeping import check_kept
from .subject import Subject, failed, known_task_id

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def wait_for(lease: Lease, subject: Subject, result: Any, state: str, timeout: float) -> Observation:
    """Wait until a task was seen in a state and, if that is final, until the store holds it."""
    check_type(state, 'wait_for(result, "SUCCESS")')
    task_id = known_task_id(result, lease)

    def seen() -> Observation | None:
        timeline = lease.recorder.seen(task_id)
        return next((one for one in timeline if one.state == state and not one.error), None)

    until_ended(lease, task_id, timeout, lambda: seen() is not None)
    timeline = lease.recorder.timeline(task_id)
    observation = seen()
    if observation is None:
        raise _never_came(lease, subject, task_id, state, timeline, timeout)
    check_kept(lease, subject, timeline, state)
    return observation


def _never_came(
    lease: Lease, subject: Subject, task_id: str, state: str, timeline: Timeline, timeout: float
) -> Exception:
    refused = next((seen for seen in timeline if seen.state == state and seen.error), None)
    if refused is not None:
        return _unstorable(subject, refused, timeline)
    rows = [("observed", str(timeline)), *_hints(lease, state)]
    if timeline.has_ended:
        return failed(f"task {subject.short(task_id)} ended without {state}", rows)
    if timeline.lost_end:
        return _unstorable(subject, timeline.lost_end, timeline)
    what = f"task {subject.short(task_id)} was not {state} within {timeout:g} s"
    return still_going(lease, what, timeline, f"wait_for(result, {state!r}, timeout={timeout * 2:g})", state)


def _unstorable(subject: Subject, refused: Observation, timeline: Timeline) -> AssertionError:
    what = f"task {subject.short(refused.task_id)} was {refused.state}, which could not be stored: {refused.error}"
    return failed(what, [("observed", str(timeline))])


def still_going(lease: Lease, what: str, timeline: Timeline, remedy: str = "", *expected: str) -> WaitTimeout:
    """The error for a wait that has reached its limit: what was seen, and what goes on."""
    unsent = "" if lease.recorder.is_known(timeline.task_id) else ", and no such task was sent in this test"
    hints = [text for _, text in _hints(lease, *expected)]
    return WaitTimeout(
        what,
        tried=[f"observed: {timeline}{unsent}", *hints, *activity.described(lease.worker)],
        remedy=f"result_backend.{remedy}" if remedy else "timeout=60  # as an argument",
        log=activity.stacks(lease.worker),
    )


def _hints(lease: Lease, *names: str) -> list[tuple[str, str]]:
    """Of names that no task has stored, which of Celery's may be meant; whatever was stored is a state."""
    return [("looks wrong", text) for text in hints(names, lease.recorder.states)]


def check_type(state: object, takes: str) -> None:
    """Refuse what is no name of a state: it would be compared with names in vain."""
    if not isinstance(state, str):
        raise failed(f"{state!r} is no state", [("takes", takes)])


def assert_transitions(
    lease: Lease, subject: Subject, result: Any, expected: tuple[Element, ...], timeout: float
) -> None:
    """Assert the states that were stored for a task, in order and all of them."""
    for element in expected:
        if not isinstance(element, (Times, EllipsisType)):
            check_type(element, 'assert_transitions(result, "STARTED", "SUCCESS")')
    task_id = known_task_id(result, lease)
    timeline = ended(lease, task_id, timeout)
    parts = difference(expected, timeline.states)
    names = [each.state if isinstance(each, Times) else str(each) for each in expected if each is not ...]
    if parts is not None and not timeline.has_ended and not timeline.lost_end:
        what = f"task {subject.short(task_id)} did not go through {shown(expected)} within {timeout:g} s"
        raise still_going(lease, what, timeline, "", *names)
    if parts is not None and timeline.lost_end:
        raise _unstorable(subject, timeline.lost_end, timeline)
    if parts is not None:
        rows = [("expected", shown(expected)), ("observed", str(timeline)), ("first difference", parts)]
        what = f"task {subject.short(task_id)} did not go through the expected states"
        raise failed(what, [*rows, *_hints(lease, *names)])
    check_kept(lease, subject, timeline, *timeline.states)


def ended(lease: Lease, task_id: str, timeout: float) -> Timeline:
    """What happened to a task, once it has ended or the time is over."""
    until_ended(lease, task_id, timeout)
    return lease.recorder.timeline(task_id)


def until_ended(
    lease: Lease, task_id: str, timeout: float, condition: Callable[[], bool] = lambda: False
) -> None:
    """Wait until a task has ended, also where its end could not be stored, or until *condition* holds."""
    recorder, worker = lease.recorder, lease.worker
    limit = Limit(timeout)

    def is_over() -> bool:
        return condition() or recorder.seen(task_id).has_ended

    recorder.wait_until(lambda: is_over() or recorder.seen(task_id).lost_end is not None, limit.left)
    # Celery stores a failure then, as long as the task runs: nobody waits for what comes after that
    if worker is not None and not is_over():
        worker.wait_until(lambda: is_over() or task_id not in worker.ledger.running, limit.left)


def assert_never(
    lease: Lease, subject: Subject, result: Any, unwanted: tuple[str, ...], timeout: float
) -> None:
    """Assert that a task ended, and that none of these states was ever stored for it."""
    if not unwanted:
        raise failed("assert_never names no state", [("takes", 'assert_never(result, "FAILURE")')])
    for state in unwanted:
        check_type(state, 'assert_never(result, "FAILURE", "REVOKED")')
    task_id = known_task_id(result, lease)
    timeline = must_end(lease, subject, task_id, timeout)
    found = [seen for seen in timeline if seen.state in unwanted]
    if found:
        raise failed(
            f"task {subject.short(task_id)} was {found[0].state}, which it must never be",
            [("observed", str(timeline)), *(("stored", _value(seen)) for seen in found)],
        )
    for state in unwanted:
        _refuse_misspelt(lease, state)


def _refuse_misspelt(lease: Lease, state: str) -> None:
    """A misspelt state never comes, and an assertion that says so can never fail."""
    for _, text in _hints(lease, state):
        check = f"assert {state!r} not in result_backend.timeline(result).states"
        raise failed(text, [("if it is a state of your own", check)])


def assert_retried(lease: Lease, subject: Subject, result: Any, times: int, timeout: float) -> None:
    """Assert that a task ended after exactly so many retries."""
    task_id = known_task_id(result, lease)
    timeline = must_end(lease, subject, task_id, timeout)
    retries = [seen for seen in timeline if seen.state == states.RETRY and not seen.error]
    if len(retries) != times:
        raise failed(
            f"task {subject.short(task_id)} was retried {len(retries)} times, not {times}",
            [("observed", str(timeline)), *(("because of", _value(seen)) for seen in retries)],
        )
    check_kept(lease, subject, timeline, states.RETRY)


def assert_revoked(lease: Lease, subject: Subject, result: Any, timeout: float) -> None:
    """Assert that a task ended as REVOKED, and that the store says so."""
    task_id = known_task_id(result, lease)
    timeline = must_end(lease, subject, task_id, timeout)
    if timeline.states[-1:] != [states.REVOKED]:
        raise failed(f"task {subject.short(task_id)} was not revoked", [("observed", str(timeline))])
    check_kept(lease, subject, timeline, states.REVOKED)


def must_end(lease: Lease, subject: Subject, task_id: str, timeout: float) -> Timeline:
    """What happened to a task that has ended; raises WaitTimeout where it does not."""
    timeline = ended(lease, task_id, timeout)
    if timeline.unstored and not timeline:
        raise failed(f"task {subject.short(task_id)} left no result", [("observed", str(timeline))])
    if timeline.lost_end and not timeline.has_ended:
        raise _unstorable(subject, timeline.lost_end, timeline)
    if not timeline.has_ended:
        raise still_going(lease, f"task {subject.short(task_id)} did not end within {timeout:g} s", timeline)
    return timeline


def _value(seen: Observation) -> str:
    return f"{seen.state} {seen.value!r}"
