"""Every read of a result, on every backend, as Celery documents it.

Each test is one line of ``docs/reference/async-result.md``: its name is the sentence, its docstring the document
that it rests on. Where a backend answers otherwise, ``differs`` says so, and fails once it no longer does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from backend_names import DATABASES, EVERY, POLLED, PUSHED
from celery import Celery, chain, chord, group, states
from celery.exceptions import ImproperlyConfigured, IncompleteStream, TaskRevokedError
from celery.exceptions import TimeoutError as GaveUp
from celery.result import AsyncResult, GroupResult, ResultSet, result_from_tuple

from pytest_celery_backends import ResultBackend, ResultWorker

pytestmark = pytest.mark.backends(*EVERY)

RPC = ("rpc", "rpc-memory")
STORED = tuple(name for name in EVERY if name not in RPC)

NAIVE = (*DATABASES, "mongodb")
WITHOUT_GET_MANY = (*DATABASES, "mongodb", "s3", "django-db", "django-cache")
SENT_BY_THE_WORKER = "a result goes to the process that sent its task: to the worker, where a task sent it"

#: Seconds for what takes milliseconds.
LIMIT = 5
#: Seconds for the answer of a store where all tasks have ended.
ENDED = 1

differs = pytest.mark.differs


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition that nothing wakes us for."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"no {what} within {LIMIT} s"
        time.sleep(0.001)


@pytest.fixture
def waiting(tasks: Any, result_backend: ResultBackend) -> AsyncResult:
    """A result whose task a worker has, and does not run during the test."""
    result = tasks.add.apply_async((1, 1), countdown=300)
    until(
        lambda: any(one.kind == "received" for one in result_backend.timeline(result).events), "task received"
    )
    return result


@pytest.fixture
def done(tasks: Any) -> AsyncResult:
    """A result whose task has succeeded with 4."""
    result = tasks.add.delay(2, 2)
    until(result.ready, "result")
    return result


@pytest.fixture
def failed(tasks: Any) -> AsyncResult:
    """A result whose task has raised ``ValueError("boom")``."""
    result = tasks.refuse.delay("boom")
    until(result.ready, "result")
    return result


# -- AsyncResult


def test_a_task_that_waits_is_not_ready(waiting: AsyncResult) -> None:
    """ "If the task is still running, pending, or is waiting for retry then False is returned" (ready)."""
    assert (waiting.ready(), waiting.successful(), waiting.failed()) == (False, False, False)


def test_an_id_that_nobody_sent_is_pending(result_app: Celery) -> None:
    """ "Any task id that's not known is implied to be in the pending state" (userguide/tasks, PENDING)."""
    unknown = AsyncResult("never-sent", app=result_app)
    assert (unknown.state, unknown.result, unknown.ready()) == (states.PENDING, None, False)


def test_a_success_is_ready_and_successful(done: AsyncResult) -> None:
    """ready, successful, failed and state of ``celery.result.AsyncResult``."""
    assert (done.state, done.status) == (states.SUCCESS, states.SUCCESS)
    assert (done.ready(), done.successful(), done.failed()) == (True, True, False)


def test_a_failure_is_ready_and_failed(failed: AsyncResult) -> None:
    """ready, successful, failed and state of ``celery.result.AsyncResult``."""
    assert failed.state == states.FAILURE
    assert (failed.ready(), failed.successful(), failed.failed()) == (True, False, True)


def test_result_of_a_success_is_the_value(done: AsyncResult) -> None:
    """ "When the task has been executed, this contains the return value" (result, info)."""
    assert (done.result, done.info) == (4, 4)


def test_result_of_a_failure_is_the_exception(failed: AsyncResult) -> None:
    """ "If the task raised an exception, this will be the exception instance" (result)."""
    assert (type(failed.result), failed.result.args) == (ValueError, ("boom",))


def test_a_result_without_value_is_none(tasks: Any) -> None:
    """``None`` is a task's value as any other."""
    result = tasks.echo.delay(None)
    assert (result.get(timeout=LIMIT), result.state, result.result) == (None, states.SUCCESS, None)


def test_get_gives_the_value(tasks: Any) -> None:
    """ "Wait until task is ready, and return its result" (get)."""
    assert tasks.add.delay(2, 2).get(timeout=LIMIT) == 4


def test_get_again_gives_the_same(tasks: Any) -> None:
    """A final state is kept in the ``AsyncResult`` (get)."""
    result = tasks.add.delay(2, 2)
    assert [result.get(timeout=LIMIT), result.get(timeout=LIMIT)] == [4, 4]


@pytest.mark.backend_requires("reread")
def test_another_async_result_of_the_id_gives_the_same(done: AsyncResult, result_app: Celery) -> None:
    """``AsyncResult(id)`` reads the task's state (userguide/calling)."""
    assert done.get(timeout=LIMIT) == 4
    assert AsyncResult(done.id, app=result_app).get(timeout=ENDED) == 4


def test_get_gives_up_after_its_timeout(waiting: AsyncResult) -> None:
    """ "TimeoutError: if the result does not arrive within timeout seconds" (get)."""
    with pytest.raises(GaveUp):
        waiting.get(timeout=0.05)


def test_get_raises_what_the_task_raised(tasks: Any) -> None:
    """ "If the remote call raised an exception then that exception will be re-raised" (get)."""
    with pytest.raises(ValueError, match="^boom$"):
        tasks.refuse.delay("boom").get(timeout=LIMIT)


def test_get_gives_the_exception_where_it_may_not_raise(tasks: Any) -> None:
    """ "If propagate is false, the raised exception instance is returned" (get)."""
    found = tasks.refuse.delay("boom").get(timeout=LIMIT, propagate=False)
    assert (type(found), found.args) == (ValueError, ("boom",))


def test_get_calls_back_with_id_and_value(tasks: Any) -> None:
    """``callback`` is called with the task's id and its value (get)."""
    calls: list[Any] = []
    result = tasks.add.delay(2, 2)
    result.get(timeout=LIMIT, callback=lambda *told: calls.append(told))
    assert calls == [(result.id, 4)]


def test_get_asks_as_often_as_its_interval_says(waiting: AsyncResult, result_backend: ResultBackend) -> None:
    """ "Time to wait (in seconds) before retrying to retrieve the result. Note that this does not have any effect
    when using the RPC/redis result store backends" (get, interval)."""
    with pytest.raises(GaveUp):
        waiting.get(timeout=0.01)  # connects and subscribes
    counts = []
    for interval in (0.01, 0.25):
        with result_backend.commands() as commands, pytest.raises(GaveUp):
            waiting.get(timeout=0.5, interval=interval)
        # Before Celery 5.7 a result of an earlier test unsubscribes when it is collected, whenever that is.
        counts.append(sum(not text.startswith("UNSUBSCRIBE") for text in commands.texts))
    often, seldom = counts
    assert (often > seldom + 3) == (result_backend.name in POLLED)


@pytest.mark.celery(task_track_started=True)
@differs(
    *POLLED,
    raises=ImproperlyConfigured,
    why="ImproperlyConfigured: Backend does not support on_message callback",
)
def test_get_tells_each_state_as_it_comes(tasks: Any) -> None:
    """ "on_message": the meta of each state that arrives (get; userguide/tasks, custom states)."""
    seen: list[Any] = []
    result = tasks.progress.apply_async(countdown=0.5)  # so that get() listens before anything is stored
    result.get(timeout=LIMIT, on_message=seen.append)
    own = [
        meta["status"] for meta in seen if meta["task_id"] == result.id and meta["status"] != states.PENDING
    ]
    assert own == [states.STARTED, "PROGRESS", "PROGRESS", states.SUCCESS]


def test_get_raises_what_a_parent_raised(
    waiting: AsyncResult, failed: AsyncResult, result_app: Celery
) -> None:
    """ "Re-raise any exception raised by parent tasks" (get, follow_parents)."""
    with pytest.raises(ValueError, match="^boom$"):
        AsyncResult(waiting.id, app=result_app, parent=failed).get(timeout=LIMIT)


def test_get_waits_in_spite_of_a_parent_where_told(
    waiting: AsyncResult, failed: AsyncResult, result_app: Celery
) -> None:
    """ "Re-raise any exception raised by parent tasks" (get, follow_parents), and not where that is False."""
    with pytest.raises(GaveUp):
        AsyncResult(waiting.id, app=result_app, parent=failed).get(timeout=0.05, follow_parents=False)


def test_what_a_task_raised_fails_the_rest_of_its_chain(tasks: Any) -> None:
    """userguide/canvas, Chains: the last result of a chain raises what a task before it raised."""
    with pytest.raises(ValueError, match="^parent$"):
        chain(tasks.refuse.si("parent"), tasks.add.si(1, 1))().get(timeout=LIMIT)


def test_get_is_refused_within_a_task(done: AsyncResult, tasks: Any) -> None:
    """ "Never call result.get() within a task!" (userguide/tasks, avoid launching synchronous subtasks)."""
    with pytest.raises(RuntimeError, match="Never call result.get"):
        tasks.fetch.delay(done.id, True).get(timeout=LIMIT)


@differs(*RPC, raises=GaveUp, why=SENT_BY_THE_WORKER)
def test_get_within_a_task_where_that_is_allowed(done: AsyncResult, tasks: Any) -> None:
    """disable_sync_subtasks=False: "do not enable this unless you must" (get)."""
    assert tasks.fetch.delay(done.id, False).get(timeout=LIMIT) == 4


def test_an_ignored_result_is_none_at_once(tasks: Any) -> None:
    """ "If the task is configured with ignore_result=True, None is returned without waiting" (get)."""
    result = tasks.add.apply_async((2, 2), ignore_result=True)
    assert result.get(timeout=LIMIT) is None


def test_maybe_throw_raises_what_the_task_raised(failed: AsyncResult) -> None:
    """maybe_throw and maybe_reraise of ``celery.result.AsyncResult``."""
    with pytest.raises(ValueError, match="^boom$"):
        failed.maybe_throw()
    assert failed.maybe_throw(propagate=False).args == ("boom",)


@differs("django-db", why="django-celery-results stores a traceback with result_extended alone")
def test_a_failure_has_its_traceback(failed: AsyncResult) -> None:
    """ "Get the traceback of a failed task" (traceback)."""
    assert failed.state == states.FAILURE
    assert "ValueError: boom" in (failed.traceback or "")


def test_a_success_has_no_traceback(done: AsyncResult) -> None:
    """ "Get the traceback of a failed task" (traceback)."""
    assert (done.state, done.traceback) == (states.SUCCESS, None)


@differs(*RPC, raises=GaveUp, why=SENT_BY_THE_WORKER)
@differs(*DATABASES, until=(5, 7), raises=TypeError, why="Celery stores no children in databases")
def test_children_are_the_tasks_that_a_task_sent(tasks: Any, result_worker: ResultWorker) -> None:
    """``Task.trail``: "the list of children is stored in result.children" (collect)."""
    result = tasks.square.delay(3)
    result_worker.drain()
    assert [child.get(timeout=ENDED) for child in result.children] == [9]


@differs(*RPC, raises=GaveUp, why=SENT_BY_THE_WORKER)
@differs(*DATABASES, until=(5, 7), why="Celery stores no children in databases")
def test_collect_gives_a_tree_of_results(tasks: Any, result_worker: ResultWorker) -> None:
    """The example of ``AsyncResult.collect``."""
    result = tasks.branch.delay(4)
    result_worker.drain()
    leaves = [value for child, value in result.collect(timeout=ENDED) if not child.children]
    assert leaves == [0, 1, 4, 9]


@differs(*RPC, raises=GaveUp, why=SENT_BY_THE_WORKER)
@differs(*DATABASES, until=(5, 7), raises=TypeError, why="Celery stores no children in databases")
def test_the_leaf_of_a_tree_is_its_last_value(tasks: Any, result_worker: ResultWorker) -> None:
    """get_leaf of ``celery.result.AsyncResult``."""
    result = tasks.square.delay(3)
    result_worker.drain()
    assert result.children[0].get(timeout=ENDED) == 9  # get_leaf has no limit
    assert result.get_leaf() == 9


@differs(*RPC, raises=IncompleteStream, why=SENT_BY_THE_WORKER)
@differs(*DATABASES, until=(5, 7), raises=TypeError, why="Celery stores no children in databases")
def test_the_graph_of_a_tree_has_its_results(tasks: Any, result_worker: ResultWorker) -> None:
    """userguide/canvas, Graphs: ``result.graph`` once the tree is complete."""
    result = tasks.square.delay(3)
    result_worker.drain()
    assert {str(node) for node in result.graph} == {result.id, result.children[0].id}


def test_a_chain_knows_its_parents(tasks: Any) -> None:
    """userguide/canvas, Chains: ``res.parent.get()``."""
    result = chain(tasks.add.s(1, 1), tasks.add.s(2), tasks.add.s(3))()
    assert result.get(timeout=LIMIT) == 7
    assert [result.parent.get(timeout=LIMIT), result.parent.parent.get(timeout=LIMIT)] == [4, 2]
    assert result.parent.parent.parent is None


def test_parents_come_with_a_tuple(tasks: Any, result_app: Celery) -> None:
    """as_tuple and ``result_from_tuple``: a result that is sent elsewhere keeps its parents."""
    result = chain(tasks.add.s(1, 1), tasks.add.s(2))()
    again = result_from_tuple(result.as_tuple(), app=result_app)
    assert again.get(timeout=LIMIT) == 4
    assert again.parent.get(timeout=LIMIT) == 2


@differs(
    *RPC,
    until=(5, 7),
    raises=NotImplementedError,
    why="NotImplementedError: backend does not implement forget",
)
def test_a_forgotten_result_is_pending(done: AsyncResult, result_app: Celery) -> None:
    """ "Forget the result of this task and its parents" (forget)."""
    assert done.get(timeout=LIMIT) == 4
    done.forget()
    assert AsyncResult(done.id, app=result_app).state == states.PENDING


@pytest.mark.backend_requires("forget")
def test_the_parents_of_a_forgotten_result_are_forgotten(
    tasks: Any, result_worker: ResultWorker, result_app: Celery
) -> None:
    """ "Forget the result of this task and its parents" (forget)."""
    result = chain(tasks.add.s(1, 1), tasks.add.s(2))()
    result_worker.drain()
    result.forget()
    assert AsyncResult(result.parent.id, app=result_app).state == states.PENDING


@pytest.mark.backend_requires("forget_absent")
@differs(
    *RPC,
    until=(5, 7),
    raises=NotImplementedError,
    why="NotImplementedError: backend does not implement forget",
)
def test_a_result_that_is_not_there_can_be_forgotten(result_app: Celery) -> None:
    """forget of ``celery.result.AsyncResult`` names no error."""
    AsyncResult("never-sent", app=result_app).forget()


@differs(
    *RPC,
    raises=GaveUp,
    why="a revoke is stored without its request, so that nobody is known to send it to",
    issue="celery#9844",
)
@differs(
    *STORED,
    until=(5, 6),
    raises=GaveUp,
    why="a revoke is stored once the turn of the task comes",
    issue="celery#9844",
)
def test_a_revoked_task_is_revoked(waiting: AsyncResult) -> None:
    """ "Any worker receiving the task, or having reserved the task, must ignore it" (revoke)."""
    waiting.revoke()
    with pytest.raises(TaskRevokedError):
        waiting.get(timeout=ENDED)
    assert (waiting.state, waiting.ready(), waiting.failed()) == (states.REVOKED, True, False)


@differs(*RPC, until=(5, 7), why="Celery sends no date with a result", issue="celery#10431")
def test_date_done_is_now(done: AsyncResult) -> None:
    """ "UTC date and time" (date_done)."""
    assert done.state == states.SUCCESS
    assert isinstance(done.date_done, datetime)
    moment = done.date_done if done.date_done.tzinfo else done.date_done.replace(tzinfo=timezone.utc)
    assert abs(datetime.now(timezone.utc) - moment) < timedelta(minutes=1)


@differs(*NAIVE, why="date_done comes back without a time zone", issue="celery#4948")
@differs(
    *RPC, until=(5, 7), raises=AttributeError, why="Celery sends no date with a result", issue="celery#10431"
)
def test_date_done_says_that_it_is_utc(done: AsyncResult) -> None:
    """ "UTC date and time" (date_done)."""
    assert done.state == states.SUCCESS
    assert done.date_done.utcoffset() == timedelta(0)


def test_a_task_that_waits_has_no_date_done(waiting: AsyncResult) -> None:
    """``date_done`` is the time at which a task was done."""
    assert waiting.date_done is None


@pytest.mark.celery(result_extended=True)
@differs("django-db", why="the name is in task_name, which AsyncResult does not read")
@pytest.mark.backend_requires("extended")
def test_extended_the_name_of_the_task(done: AsyncResult, tasks: Any) -> None:
    """``result_extended``: "name, args, kwargs, worker, retries, queue, delivery_info" (userguide/configuration)."""
    assert done.state == states.SUCCESS
    assert done.name == tasks.add.name


@pytest.mark.celery(result_extended=True)
@differs("django-db", why="they come back as their repr, a str")
@pytest.mark.backend_requires("extended")
def test_extended_the_arguments(done: AsyncResult) -> None:
    """``result_extended`` (userguide/configuration); JSON makes a list of a tuple."""
    assert done.state == states.SUCCESS
    assert (list(done.args or ()), done.kwargs) == ([2, 2], {})


@pytest.mark.celery(result_extended=True)
@differs("django-db", why="they come back as their repr, a str")
@pytest.mark.backend_requires("extended")
def test_extended_the_keyword_arguments(tasks: Any) -> None:
    """``result_extended`` (userguide/configuration)."""
    result = tasks.add.delay(x=2, y=2)
    until(result.ready, "result")
    assert (result.state, result.kwargs) == (states.SUCCESS, {"x": 2, "y": 2})


@pytest.mark.celery(result_extended=True)
@pytest.mark.backend_requires("extended")
def test_extended_the_worker(done: AsyncResult) -> None:
    """``result_extended`` (userguide/configuration)."""
    assert done.state == states.SUCCESS
    assert "@" in (done.worker or "")


@pytest.mark.celery(result_extended=True)
@differs("django-db", why="django-celery-results has no column for it")
@pytest.mark.backend_requires("extended")
def test_extended_the_number_of_retries(done: AsyncResult) -> None:
    """``result_extended`` (userguide/configuration)."""
    assert (done.state, done.retries) == (states.SUCCESS, 0)


@pytest.mark.celery(result_extended=True)
@differs("django-db", why="django-celery-results has no column for it")
@pytest.mark.backend_requires("extended")
def test_extended_the_queue(done: AsyncResult, result_app: Celery) -> None:
    """``result_extended`` (userguide/configuration)."""
    assert (done.state, done.queue) == (states.SUCCESS, result_app.conf.task_default_queue)


# -- groups and sets


@pytest.fixture
def members(tasks: Any) -> GroupResult:
    """A group of three tasks that have succeeded with 0, 2 and 4."""
    result = group(tasks.add.s(n, n) for n in range(3))()
    result.join(timeout=LIMIT)
    return result


@differs("rpc", why="results of a group are read by get() and join() alone", issue="celery#4491")
def test_a_group_gets_ready(tasks: Any) -> None:
    """ "Return True if all subtasks are ready" (userguide/canvas, Groups)."""
    result = group(tasks.add.s(n, n) for n in range(3))()
    until(result.ready, "group of results")


def test_a_group_is_ready_and_successful(members: GroupResult) -> None:
    """successful, failed, waiting, ready and completed_count of ``GroupResult`` (userguide/canvas, Groups)."""
    assert (members.ready(), members.waiting(), members.successful()) == (True, False, True)
    assert (members.failed(), members.completed_count()) == (False, 3)


def test_a_group_with_a_failure_has_failed(tasks: Any) -> None:
    """ "Return True if any of the tasks failed" (userguide/canvas, Groups)."""
    result = group(tasks.add.s(1, 1), tasks.refuse.s("boom"))()
    result.join(timeout=LIMIT, propagate=False)
    assert (result.ready(), result.successful(), result.failed()) == (True, False, True)
    assert result.completed_count() == 1


def test_a_group_waits_for_each_member(tasks: Any) -> None:
    """ "Return True if any of the tasks are incomplete" (waiting)."""
    result = group(tasks.add.s(1, 1), tasks.add.s(1, 1).set(countdown=300))()
    assert result[0].get(timeout=LIMIT) == 2
    assert (result.ready(), result.waiting(), result.completed_count()) == (False, True, 1)


def test_join_gives_the_values_in_order(tasks: Any) -> None:
    """ "Gather the results of all tasks as a list in order" (join)."""
    assert group(tasks.add.s(n, n) for n in range(5))().join(timeout=LIMIT) == [0, 2, 4, 6, 8]


@differs(
    *WITHOUT_GET_MANY,
    raises=(AttributeError, NotImplementedError),
    why="not supported, as documented; an AttributeError or a NotImplementedError says so",
)
def test_join_native_gives_the_values_in_order(tasks: Any) -> None:
    """ "Backend optimized version of join" (join_native)."""
    assert group(tasks.add.s(n, n) for n in range(5))().join_native(timeout=LIMIT) == [0, 2, 4, 6, 8]


@differs(
    *WITHOUT_GET_MANY,
    raises=(AttributeError, NotImplementedError),
    why="not supported, as documented; an AttributeError or a NotImplementedError says so",
)
def test_iter_native_gives_each_result_as_it_comes(tasks: Any) -> None:
    """ "Backend optimized version of iterate" (iter_native)."""
    result = group(tasks.add.s(n, n) for n in range(5))()
    found = {task_id: meta["result"] for task_id, meta in result.iter_native(timeout=LIMIT)}
    assert found == {member.id: 2 * n for n, member in enumerate(result.results)}


def test_join_raises_what_a_member_raised(tasks: Any) -> None:
    """ "If any of the tasks raises an exception, the exception will be re-raised" (join, propagate)."""
    with pytest.raises(ValueError, match="^boom$"):
        group(tasks.add.s(1, 1), tasks.refuse.s("boom"))().join(timeout=LIMIT)


def test_join_gives_the_exception_where_it_may_not_raise(tasks: Any) -> None:
    """ "The corresponding position in the list contains the exception instance" (join)."""
    first, second = group(tasks.add.s(1, 1), tasks.refuse.s("boom"))().join(timeout=LIMIT, propagate=False)
    assert (first, type(second), second.args) == (2, ValueError, ("boom",))


def test_join_calls_back_for_each_member(tasks: Any) -> None:
    """ "Optional callback to be called for every result received" (join)."""
    calls: dict[str, int] = {}
    result = group(tasks.add.s(n, n) for n in range(3))()
    assert result.join(timeout=LIMIT, callback=calls.__setitem__) == []
    assert calls == {member.id: 2 * n for n, member in enumerate(result.results)}


def test_join_gives_up_after_its_timeout(tasks: Any) -> None:
    """ "The number of seconds to wait for results before the operation times out" (join)."""
    with pytest.raises(GaveUp):
        group(tasks.add.s(1, 1), tasks.add.s(1, 1).set(countdown=300))().join(timeout=0.05)


def test_get_of_a_group_gives_the_values_in_order(tasks: Any) -> None:
    """ "It uses join_native if available for the current result backend" (ResultSet.get)."""
    assert group(tasks.add.s(n, n) for n in range(5))().get(timeout=LIMIT) == [0, 2, 4, 6, 8]


@pytest.mark.backend_requires("groups")
@differs("mongodb", raises=AttributeError, why="a saved group comes back as a list of results")
def test_a_saved_group_is_restored(members: GroupResult, result_app: Celery) -> None:
    """ "Save group-result for later retrieval using restore" (save)."""
    members.save()
    again = GroupResult.restore(members.id, app=result_app)
    assert again.join(timeout=LIMIT) == [0, 2, 4]


@pytest.mark.backend_requires("groups")
@differs("mongodb", why="a saved group comes back as a list of results")
def test_a_restored_group_is_the_same_group(members: GroupResult, result_app: Celery) -> None:
    """``GroupResult.restore`` gives a ``GroupResult`` that equals the one that was saved."""
    members.save()
    assert GroupResult.restore(members.id, app=result_app) == members


@pytest.mark.backend_requires("groups")
def test_a_group_that_was_never_saved_is_none(result_app: Celery) -> None:
    """ "Restore previously saved group result" (restore)."""
    assert GroupResult.restore("never-saved", app=result_app) is None


@pytest.mark.backend_requires("groups")
def test_a_deleted_group_is_none(members: GroupResult, result_app: Celery) -> None:
    """ "Remove this result if it was previously saved" (delete)."""
    members.save()
    members.delete()
    assert GroupResult.restore(members.id, app=result_app) is None


@differs(
    *RPC,
    until=(5, 7),
    raises=NotImplementedError,
    why="NotImplementedError: backend does not implement forget",
)
def test_the_members_of_a_forgotten_group_are_pending(members: GroupResult, result_app: Celery) -> None:
    """ "Forget about (and possible remove the result of) all the tasks" (ResultSet.forget)."""
    assert members.get(timeout=LIMIT) == [0, 2, 4]
    members.forget()
    found = {AsyncResult(member.id, app=result_app).state for member in members}
    assert found == {states.PENDING}


@differs(
    *RPC,
    raises=GaveUp,
    why="a revoke is stored without its request, so that nobody is known to send it to",
    issue="celery#9844",
)
@differs(
    *STORED,
    until=(5, 6),
    raises=GaveUp,
    why="a revoke is stored once the turn of the task comes",
    issue="celery#9844",
)
def test_the_results_of_a_revoked_set_are_revoked(waiting: AsyncResult, result_app: Celery) -> None:
    """ "Send revoke signal to all workers for all tasks in the set" (ResultSet.revoke)."""
    found = ResultSet([waiting], app=result_app)
    found.revoke()
    with pytest.raises(TaskRevokedError):
        found.get(timeout=ENDED)


def test_a_group_in_a_chain_knows_its_parent(tasks: Any) -> None:
    """``GroupResult.parent``: the result of what came before the group."""
    result = chain(tasks.add.s(1, 1), group(tasks.add.s(n) for n in range(2)))()
    assert result.get(timeout=LIMIT) == [2, 3]
    assert result.parent.get(timeout=LIMIT) == 2


@pytest.mark.backend_requires("chords")
def test_the_parent_of_a_chord_is_its_header(tasks: Any) -> None:
    """userguide/canvas, Chords: the body's ``parent`` is the header's ``GroupResult``."""
    result = chord((tasks.add.s(n, n) for n in range(3)), tasks.total.s())()
    assert result.get(timeout=LIMIT) == 6
    assert result.parent.join(timeout=LIMIT) == [0, 2, 4]


def test_a_set_of_results_is_gathered(tasks: Any, result_app: Celery) -> None:
    """``celery.result.ResultSet``: add, remove, discard and get."""
    one, two, three = (tasks.add.delay(n, n) for n in range(3))
    found = ResultSet([one], app=result_app)
    found.add(two)
    found.add(two)
    found.add(three)
    assert found.get(timeout=LIMIT) == [0, 2, 4]
    found.remove(one)
    found.discard(one)
    assert (found.ready(), found.successful(), found.completed_count()) == (True, True, 2)


@differs(*PUSHED, why="update() adds nothing to what is waited for: their values are None")
def test_results_that_a_set_was_extended_by_are_gathered(tasks: Any, result_app: Celery) -> None:
    """ "Extend from iterable of results" (ResultSet.update)."""
    found = ResultSet([tasks.add.delay(1, 1)], app=result_app)
    found.update([tasks.add.delay(2, 2)])
    assert found.get(timeout=LIMIT) == [2, 4]


@differs(*EVERY, until=(5, 7), raises=ValueError, why="ValueError: Cannot add promise to full barrier")
def test_what_comes_to_a_set_later_is_waited_for(tasks: Any, result_app: Celery) -> None:
    """ "Add AsyncResult as a new member of the set" (ResultSet.add)."""
    found = ResultSet([tasks.add.delay(1, 1)], app=result_app)
    assert found.join(timeout=LIMIT) == [2]
    found.add(tasks.add.delay(2, 2))
    assert found.join(timeout=LIMIT) == [2, 4]


def test_an_empty_set_is_ready(result_app: Celery) -> None:
    """``ResultSet.clear``: no result, nothing to wait for."""
    found = ResultSet([AsyncResult("never-sent", app=result_app)], app=result_app)
    found.clear()
    assert (found.ready(), found.join(timeout=LIMIT), len(found)) == (True, [], 0)
