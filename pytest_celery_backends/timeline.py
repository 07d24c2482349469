"""Every store of a result, in order, as made through the app under test."""

from __future__ import annotations

import copy
import functools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from celery import states

#: How long a wait lasts where the caller sets no limit, in seconds.
DEFAULT_TIMEOUT = 5.0


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One attempt to store a state.

    ``at`` is in seconds since the task was published (or first seen). ``error`` is what the store
    raised, empty where it returned; that it returned does not mean that the store kept it.
    """

    task_id: str
    state: str
    value: Any = field(repr=False)
    traceback: str | None = field(repr=False)
    at: float
    thread: str
    error: str = ""

    def __str__(self) -> str:
        failed = f", not stored: {self.error}" if self.error else ""
        return f"{self.state} ({self.at * 1000:.1f} ms{failed})"


class Timeline(Sequence[Observation]):
    """What happened to one task, oldest first. Compare ``.states`` in a plain assert.

    >>> seen = Observation(task_id="4f1c", state="SUCCESS", value=4, traceback=None, at=0.0021, thread="w")
    >>> print(Timeline("4f1c", [seen]))
    SUCCESS (2.1 ms)
    """

    def __init__(self, task_id: str, observations: Iterable[Observation]) -> None:
        self.task_id = task_id
        self._observations = tuple(observations)

    @overload
    def __getitem__(self, index: int) -> Observation: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Observation]: ...
    def __getitem__(self, index: int | slice) -> Observation | Sequence[Observation]:
        return self._observations[index]

    def __len__(self) -> int:
        return len(self._observations)

    def __iter__(self) -> Iterator[Observation]:
        return iter(self._observations)

    @property
    def states(self) -> list[str]:
        """The states alone, oldest first."""
        return [seen.state for seen in self._observations]

    def __str__(self) -> str:
        return " -> ".join(map(str, self._observations)) or "nothing was stored"

    def __repr__(self) -> str:
        return f"<Timeline of {self.task_id}: {self}>"


@dataclass
class _Patched:
    """A method of a backend class, and what stood in the class itself before (None: inherited)."""

    owner: type
    name: str
    before: Any


class Recorder:
    """Observes the stores of one app's backends, and lets others wait for them.

    The methods are wrapped on the backend's class, because ``app.backend`` is another object in each
    thread. Backends of other apps pass through unrecorded.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.changed = threading.Condition()
        self._observations: dict[str, list[Observation]] = {}
        self._published: dict[str, float] = {}
        self._ready: dict[str, int] = {}
        self._count = 0
        self._forgotten: set[str] = set()
        self._storing: list[str] = []
        self._patched: list[_Patched] = []
        self._inside = threading.local()

    # -- what was seen

    def timeline(self, task_id: str) -> Timeline:
        """What happened to one task so far; a store that is under way is waited for.

        Redis tells a waiting ``get()`` of a result before the store has returned to the worker.
        """
        with self.changed:
            self.changed.wait_for(lambda: task_id not in self._storing, DEFAULT_TIMEOUT)
            return self.seen(task_id)

    def seen(self, task_id: str) -> Timeline:
        """What happened to one task, as far as it has returned; waits for nothing."""
        with self.changed:
            return Timeline(task_id, list(self._observations.get(task_id, ())))

    def timelines(self) -> list[Timeline]:
        """One timeline for each task seen, in the order in which they were first stored."""
        with self.changed:
            return [Timeline(task_id, list(seen)) for task_id, seen in self._observations.items()]

    def was_forgotten(self, task_id: str) -> bool:
        """Whether ``forget`` was called for the task."""
        return task_id in self._forgotten

    @property
    def count(self) -> int:
        """How many stores there were; grows by one with each."""
        return self._count

    def all_ready_since(self, task_ids: Iterable[str], count: int) -> bool:
        """Whether each task stored a final state after the store number *count*."""
        return all(self._ready.get(task_id, 0) > count for task_id in task_ids)

    def is_under_way(self, task_id: str) -> bool:
        """Whether the task was sent from here and has stored no final state yet."""
        return task_id in self._published and task_id not in self._ready

    def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait at most *timeout* seconds; *condition* is looked at after each store."""
        with self.changed:
            return self.changed.wait_for(condition, timeout)

    def clear(self) -> None:
        """Forget what was seen; the store numbers go on growing."""
        with self.changed:
            for seen in (self._observations, self._published, self._ready, self._forgotten):
                seen.clear()

    # -- observing

    def published(self, task_id: str) -> None:
        """Time zero of a task: it is about to be sent."""
        self._published.setdefault(task_id, time.monotonic())

    def watch(self, backend: Any) -> None:
        """Observe all backends of this object's class that belong to the app."""
        owner = type(backend)
        if not any(patched.owner is owner for patched in self._patched):
            self._wrap(owner, "store_result", self._observe_store)
            self._wrap(owner, "forget", self._observe_forget)

    def unwatch(self) -> None:
        """Put every class back exactly as it was."""
        for patched in reversed(self._patched):
            if patched.before is None:
                delattr(patched.owner, patched.name)
            else:
                setattr(patched.owner, patched.name, patched.before)
        self._patched.clear()

    def _wrap(self, owner: type, name: str, observe: Callable[..., Any]) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def observed(backend: Any, *args: Any, **kwargs: Any) -> Any:
            # a subclass that calls super() must not be counted twice
            if backend.app is not self.app or getattr(self._inside, name, False):
                return original(backend, *args, **kwargs)
            setattr(self._inside, name, True)
            try:
                return observe(functools.partial(original, backend), *args, **kwargs)
            finally:
                setattr(self._inside, name, False)

        self._patched.append(_Patched(owner=owner, name=name, before=owner.__dict__.get(name)))
        setattr(owner, name, observed)

    def _observe_store(self, store: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        names = ("task_id", "result", "state", "traceback")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        self._storing.append(str(given["task_id"]))
        error = ""
        try:
            return store(*args, **kwargs)
        except BaseException as failure:
            error = repr(failure)
            raise
        finally:
            self._record(given, error)

    def _observe_forget(self, forget: Callable[..., Any], task_id: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return forget(task_id, *args, **kwargs)
        finally:
            self._forgotten.add(str(task_id))

    def _record(self, given: dict[str, Any], error: str) -> None:
        task_id, state, value = str(given["task_id"]), given["state"], given.get("result")
        now = time.monotonic()
        seen = Observation(
            task_id=task_id,
            state=state,
            # progress dictionaries are often changed in place between two stores
            value=copy.copy(value) if isinstance(value, (dict, list, set)) else value,
            traceback=given.get("traceback"),
            at=now - self._published.setdefault(task_id, now),
            thread=threading.current_thread().name,
            error=error,
        )
        with self.changed:
            self._storing.remove(task_id)
            self._count += 1
            self._observations.setdefault(task_id, []).append(seen)
            if state in states.READY_STATES and not error:
                self._ready[task_id] = self._count
            self.changed.notify_all()
