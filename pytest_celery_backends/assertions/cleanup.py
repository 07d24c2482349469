"""What is left in the store: of one task, after cleanup, and of the whole test."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from celery import states

from ..beat import CLEANUP
from ..errors import WaitTimeout
from ..lease import Lease
from ..polling import wait_until
from ..spec import Trace
from .entries import entries_of, ids_of, named, task_ids_of
from .subject import Subject, failed, task_id_of

#: How long a task may take to end after its result was stored.
FINISH_SECONDS: Final = 1.0
#: How long a server may take to end a subscription once it was told to.
UNSUBSCRIBE_SECONDS: Final = 1.0
#: Connections that a backend object may keep: one for commands, one to hear of results, a driver's two monitors.
KEPT_CONNECTIONS: Final = 4
_LISTED: Final = 10
#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


def assert_forgotten(lease: Lease, subject: Subject, result: Any) -> None:
    """Assert that the store holds nothing for a result any more, nor for a group's members and a chain's steps."""
    task_id_of(result, lease)
    steps = list(_with_parents(result))
    for step in steps:
        _check_was_stored(lease, subject, step, "can be forgotten")
    left = [one for step in steps for one in entries_of(step, lease)]
    if left:
        rows = [("still stored", _described(one, lease)) for one in left[:_LISTED]]
        raise failed(f"{subject.short(task_id_of(result, lease))} was not forgotten", rows)


def _with_parents(result: Any) -> Iterator[Any]:
    """A result and the steps before it in its chain, which ``forget`` forgets as well (celery/result.py)."""
    while result is not None:
        yield result
        result = getattr(result, "parent", None)


def _check_was_stored(lease: Lease, subject: Subject, result: Any, what: str) -> None:
    """What was never there is neither forgotten nor cleaned up."""
    recorder = lease.recorder
    ids = list(task_ids_of(result))
    if ids and any(recorder.seen(task_id) for task_id in ids):
        return
    raise failed(
        f"{named(result, lease, subject)} was never stored in this test, so nothing {what}",
        [("sent", ", ".join(each for each in ids if recorder.is_known(each)) or "no such task")],
    )


# -- celery.backend_cleanup


def run_cleanup(lease: Lease, subject: Subject, timeout: float) -> None:
    """Run the cleanup task on the worker, and remove its own result."""
    lease.start_worker()
    result = lease.app.tasks[CLEANUP].apply_async(ignore_result=False)
    recorder = lease.recorder
    if not recorder.wait_until(lambda: recorder.all_ready_since([result.id], 0), timeout):
        raise WaitTimeout(
            f"{CLEANUP} on {subject} was not done within {timeout:g} s",
            tried=[f"observed: {recorder.seen(result.id)}"],
            remedy=f"result_backend.run_cleanup(timeout={2 * timeout:g})",
        )
    last = recorder.timeline(result.id)[-1]
    result.get(timeout=timeout, propagate=False)  # of a message that is all that removes it
    lease.probe.remove(result.id)
    if last.state != states.SUCCESS:
        raise failed(f"{CLEANUP} failed on {subject}", [("observed", f"{last.state}: {last.value!r}")])


def assert_cleaned_up(lease: Lease, subject: Subject, expired: Sequence[Any], kept: Sequence[Any]) -> None:
    """Assert that some results are gone and others are not."""
    if not (expired or kept):
        raise ValueError(
            "assert_cleaned_up() was given no results; type: assert_cleaned_up(expired=[result])"
        )
    for result in [*expired, *kept]:
        task_id_of(result, lease)  # says what is wrong with it
        _check_was_stored(lease, subject, result, "can be cleaned up")
    held = {one.task_id for one in lease.probe.stored()}
    rows = [
        *(
            ("not removed", _short(each, lease))
            for result in expired
            for each in ids_of(result)
            if each in held
        ),
        *(
            ("not kept", _short(each, lease))
            for result in kept
            for each in [*task_ids_of(result), *_saved(result, lease)]
            if each not in held
        ),
    ]
    if rows:
        raise failed(
            f"{len(rows)} of these results on {subject} are not where they should be", rows[:_LISTED]
        )


def _saved(result: Any, lease: Lease) -> list[str]:
    """The id of a group that was saved: it has a record of its own."""
    saved = {call.group_id for call in lease.recorder.group_calls if call.name == "save_group"}
    return [each for each in ids_of(result) if each in saved]


def _short(task_id: str, lease: Lease) -> str:
    return " ".join(["task", task_id, *_made_by(task_id, lease)])


# -- leftovers


def assert_no_leftovers(lease: Lease, subject: Subject, ignore: Sequence[str], backends: int) -> None:
    """Assert that the test left nothing, in the store and beside it.

    A message is acknowledged a moment after its result is stored: a task that runs is waited for, within a limit,
    and so is the worker's loop.
    *backends* is how many backend objects have connections to the server.
    """
    worker = lease.worker
    if worker:
        worker.wait_until(lambda: not worker.is_busy, FINISH_SECONDS)
        worker.ask(lambda: None)  # before 5.7 Celery acknowledges in its loop's next round, ahead of this
    if "subscription" not in ignore:
        _let_subscriptions_end(lease)
    found = [
        (kind, text)
        for kind, task_id, text in leftovers(lease, backends)
        if kind not in ignore and (not task_id or task_id not in ignore)
    ]
    if found:
        things = "leftover" if len(found) == 1 else "leftovers"
        kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(kind for kind, _ in found).items())
        rows = [("left", text) for _, text in found[:_LISTED]]
        more = [("and", f"{len(found) - _LISTED} more")] if len(found) > _LISTED else []
        raise failed(f"{len(found)} {things} on {subject}: {kinds}", [*rows, *more])


def leftovers(lease: Lease, backends: int) -> Iterator[tuple[str, str, str]]:
    """Kind, task id (where there is one) and description of each thing that is left."""
    for one in lease.probe.stored():
        yield one.kind, one.task_id, _described(one, lease)
    for trace in _traces(lease):
        text = " ".join([trace.kind, trace.name, *_made_by(trace.task_id, lease)])
        yield trace.kind, trace.task_id, text
    for queue in lease.worker.waiting_messages if lease.worker else ():
        yield "message", "", f"message in queue {queue!r}"
    yield from _process_leftovers(lease, backends)


def _traces(lease: Lease) -> list[Trace]:
    """What is there beside what is stored, but for what belongs to a task of another test."""
    found: Iterable[Trace] = getattr(lease.probe, "traces", tuple)()
    return [one for one in found if not one.task_id or lease.recorder.is_known(one.task_id)]


def _let_subscriptions_end(lease: Lease) -> None:
    """Wait for a server that was told to end them, within a limit: Celery does not wait for its answer."""

    def none_is_left() -> bool:
        return all(one.kind != "subscription" for one in _traces(lease))

    if not none_is_left():
        gc.collect()  # a result that nobody holds any more unsubscribes
        wait_until(none_is_left, UNSUBSCRIBE_SECONDS)


def _process_leftovers(lease: Lease, backends: int) -> Iterator[tuple[str, str, str]]:
    if lease.footprint is None:
        return
    for thread in lease.footprint.new_threads():
        yield "thread", "", f"thread {thread.name!r}, which Python waits for at its end"
    allowed = KEPT_CONNECTIONS * backends
    connections = lease.footprint.new_connections()
    if len(connections) > allowed:
        gc.collect()  # what nobody holds any more is closed by that
        connections = lease.footprint.new_connections()
    if len(connections) > allowed:
        needed = f"{backends} backend objects need {allowed} at most"
        for connection in connections:
            yield "connection", "", f"connection {connection}; {needed}"


def _described(entry: Any, lease: Lease) -> str:
    return " ".join([str(entry), *_made_by(entry.task_id, lease)])


def _made_by(task_id: str, lease: Lease) -> list[str]:
    name = lease.recorder.task_of(task_id)
    return [f"by {name}"] if name else []
