"""Observes every store that is made through the app under test, and wakes whoever waits for one."""

from __future__ import annotations

import copy
import functools
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from celery import states
from celery.result import AsyncResult

from .timeline import DEFAULT_TIMEOUT, Event, EventKind, Observation, Timeline


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
        self._events: dict[str, list[Event]] = {}
        self._published: dict[str, float] = {}
        self._zero: dict[str, float] = {}
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
            return self._timeline(task_id)

    def timelines(self) -> list[Timeline]:
        """One timeline for each task seen, in the order in which they were first stored."""
        with self.changed:
            return [self._timeline(task_id) for task_id in self._observations]

    def _timeline(self, task_id: str) -> Timeline:
        return Timeline(
            task_id, list(self._observations.get(task_id, ())), list(self._events.get(task_id, ()))
        )

    def is_known(self, task_id: str) -> bool:
        """Whether anything at all was seen of the task."""
        return task_id in self._zero

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
            for seen in (
                *(self._observations, self._events, self._published, self._zero),
                *(self._ready, self._forgotten),
            ):
                seen.clear()

    # -- observing

    def published(self, task_id: str) -> None:
        """Time zero of a task: it is about to be sent."""
        self._published.setdefault(task_id, time.monotonic())
        self.note("published", task_id)

    def note(self, kind: EventKind, task_id: str, state: str = "", detail: str = "") -> None:
        """Put an event on a task's timeline."""
        now = time.monotonic()
        with self.changed:
            at = now - self._zero.setdefault(task_id, now)
            thread = threading.current_thread().name
            self._events.setdefault(task_id, []).append(
                Event(kind=kind, at=at, thread=thread, state=state, detail=detail)
            )
            if kind == "finished" and detail:  # nothing is stored that would wake anybody
                self.changed.notify_all()

    def watch(self, backend: Any) -> None:
        """Observe all backends of this object's class that belong to the app."""
        owner = type(backend)
        if not any(patched.owner is owner for patched in self._patched):
            self._wrap(owner, "store_result", self._observe_store)
            self._wrap(owner, "forget", self._observe_forget)
            self._wrap(owner, "get_task_meta", self._observe_read)
        if not any(patched.owner is AsyncResult for patched in self._patched):
            self._wrap(AsyncResult, "_maybe_set_cache", self._observe_arrival)

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
        names = ("task_id", "result", "state", "traceback", "request")
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
            self.note("forgotten", str(task_id))

    def _observe_read(self, read: Callable[..., Any], task_id: str, *args: Any, **kwargs: Any) -> Any:
        meta = read(task_id, *args, **kwargs)
        self._note_read(str(task_id), meta)
        self._inside.last_read = meta
        return meta

    def _observe_arrival(self, keep: Callable[..., Any], meta: Any) -> Any:
        """Redis and RabbitMQ tell a waiting client, which asks nobody; what was read just now came already."""
        if meta is not getattr(self._inside, "last_read", None) and meta and "task_id" in meta:
            self._note_read(str(meta["task_id"]), meta)
        return keep(meta)

    def _note_read(self, task_id: str, meta: Any) -> None:
        state = str(meta["status"])
        stored = (seen.state for seen in self._observations.get(task_id, ()))
        is_unknown = state == states.PENDING and states.PENDING not in stored
        self.note("read", task_id, state, "unknown to the backend" if is_unknown else "")

    def _record(self, given: dict[str, Any], error: str) -> None:
        task_id, state, value = str(given["task_id"]), given["state"], given.get("result")
        request = given.get("request")
        now = time.monotonic()
        seen = Observation(
            task_id=task_id,
            state=state,
            # progress dictionaries are often changed in place between two stores
            value=copy.copy(value) if isinstance(value, (dict, list, set)) else value,
            traceback=given.get("traceback"),
            at=now - self._zero.setdefault(task_id, now),
            thread=threading.current_thread().name,
            error=error,
            attempt=None if request is None else (getattr(request, "retries", 0) or 0) + 1,
            children=tuple(child.id for child in getattr(request, "children", None) or ()),
            is_after_forget=task_id in self._forgotten,
        )
        with self.changed:
            self._storing.remove(task_id)
            self._count += 1
            self._observations.setdefault(task_id, []).append(seen)
            if state in states.READY_STATES and not error:
                self._ready[task_id] = self._count
            self.changed.notify_all()
