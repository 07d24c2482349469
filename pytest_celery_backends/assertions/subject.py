"""What assertion messages speak of, and how they are laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..lease import Lease
from ..masking import masked


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The backend that a message names.

    ``product`` is what answers, where that is not what the backend is called after.

    >>> print(Subject(backend="redis", version="8.0.2"))
    redis 8.0.2
    >>> print(Subject(backend="redis", version="9.1.2", product="Valkey"))
    redis (Valkey 9.1.2)
    """

    backend: str
    version: str
    product: str = ""

    def __str__(self) -> str:
        answers = f"{self.product} {self.version}".strip()
        return f"{self.backend} ({answers})" if self.product else f"{self.backend} {answers}".rstrip()

    def short(self, task_id: str) -> str:
        """A task on this backend, as messages name it.

        >>> Subject(backend="redis", version="8.0").short("4f1c2f7e-6a1e-4a3c-9d0a-000000000000")
        '4f1c2f7e on redis 8.0'
        """
        return f"{task_id[:8]} on {self}"


def task_id_of(result: Any, lease: Lease) -> str:
    """The id of an AsyncResult or a GroupResult of the app under test, or of what is an id already."""
    if isinstance(result, str):
        return result
    if not hasattr(result, "id"):
        raise failed(
            f"{result!r} is no result", [("takes", "an AsyncResult, a GroupResult or the id of a task")]
        )
    app = getattr(result, "app", None)
    app = getattr(app, "_get_current_object", lambda: app)()
    if app is not None and app is not lease.app:
        raise failed(
            f"result {str(result.id)[:8]} belongs to another app",
            [("its app", repr(app)), ("this test runs", repr(lease.app))],
        )
    theirs, ours = getattr(result, "backend", None), lease.app.backend
    if theirs is not None and (type(theirs), theirs.url) != (type(ours), ours.url):
        raise failed(
            f"result {str(result.id)[:8]} belongs to another backend",
            [("its backend", _backend(theirs)), ("this test runs on", _backend(ours))],
        )
    return str(result.id)


def _backend(backend: Any) -> str:
    return f"{type(backend).__name__} at {masked(str(backend.url))}"


def known_task_id(result: Any, lease: Lease) -> str:
    """The id of a task that was seen in this test, or that something under way may send yet.

    Raises AssertionError for the id of a group, and for one of which nothing was seen where nothing is under way:
    the next task of a chain is sent by the one before it.
    """
    task_id = task_id_of(result, lease)
    recorder, worker = lease.recorder, lease.worker
    if hasattr(result, "results") or task_id in recorder.groups:
        raise failed(
            f"{task_id[:8]} is a group, and no task",
            [("takes", "one of its results; for all of them: assert_group_complete(group_result)")],
        )
    # it is looked at once more: what was under way may have sent it and come to its end
    is_known = recorder.is_known(task_id) or bool(worker and not worker.is_idle) or recorder.is_known(task_id)
    if not is_known:
        raise failed(
            f"no task {task_id[:36]!r} was sent in this test, and nothing was stored for it",
            [
                (
                    "looked at",
                    f"what was sent and stored through {lease.app!r}, and what its worker has to do",
                ),
                ("takes", "the result of a task that this test has sent: result = task.delay()"),
            ],
        )
    return task_id


def still_given(lease: Lease, turn: int, name: str) -> Lease:
    """The lease, while the test has it that was given it as its number *turn*."""
    if lease.turn != turn or not lease.is_taken:
        raise failed(
            f"{name} was used after its test",
            [("by then", "the store was emptied, and the app is wired to production again")],
        )
    return lease


def failed(headline: str, rows: Sequence[tuple[str, str]]) -> AssertionError:
    """The error of an assertion: what does not hold, then one row for each thing to compare.

    >>> print(failed("it differs", [("expected", "1"), ("observed", "2")]))
    it differs
      expected: 1
      observed: 2
    """
    return AssertionError("\n".join([headline, *(f"  {label}: {text}" for label, text in rows)]))
