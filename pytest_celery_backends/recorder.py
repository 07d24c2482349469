"""Records every store that is made through the app under test, and wakes whoever waits for one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from celery import states

from .event_log import EventLog
from .limits import Limit
from .observers import GroupCall, Observers
from .questions import Questions
from .storing import UNREAD, Storing, told
from .timeline import DEFAULT_TIMEOUT, EventKind, Timeline


class Recorder:
    """What happened to the tasks of one app, for others to look at and to wait for.

    Arguments:
        questions: ask the store out of band what it holds; None where what was stored cannot be read.
    """

    def __init__(self, app: Any, questions: Questions | None = None) -> None:
        self.app = app
        self._questions = questions
        self.changed = threading.Condition()
        self._stores: dict[str, list[Storing]] = {}
        self._open: dict[
            str, Storing
        ] = {}  # the last of a task, where nobody has seen what was held after it
        self._events = EventLog()
        self._published: dict[str, str] = {}
        self._ready: dict[str, int] = {}
        self._count = 0
        self._forgotten: set[str] = set()
        self.groups: set[str] = set()  #: ids of groups of which a member was sent
        self.bodies: set[str] = set()  #: ids of chords' bodies, of which a task of the header was sent
        self.group_calls: list[GroupCall] = []
        self._storing: list[str] = []
        self._observers = Observers(self)

    # -- what was seen

    def timeline(self, task_id: str) -> Timeline:
        """What happened to one task so far; a store that is under way is waited for.

        Redis tells a waiting ``get()`` of a result before the store has returned to the worker.
        """
        with self.changed:
            self.wait_until(lambda: task_id not in self._storing, DEFAULT_TIMEOUT)
            self._look_now(task_id)
            return self.seen(task_id)

    def seen(self, task_id: str) -> Timeline:
        """What happened to one task, as far as it has returned; waits for nothing, not for what the store held."""
        with self.changed:
            return self._timeline(task_id)

    def timelines(self) -> list[Timeline]:
        """One timeline for each task of which anything was seen, in that order."""
        with self.changed:
            for task_id in list(self._open):
                self._look_now(task_id)
            known = dict.fromkeys((*self._events.task_ids, *self._stores))
            return [self._timeline(task_id) for task_id in sorted(known, key=self._zero)]

    def _timeline(self, task_id: str) -> Timeline:
        zero = self._zero(task_id)
        state_in = self._questions.state_in if self._questions else None
        stores = [storing.observation(zero, state_in) for storing in self._stores.get(task_id, ())]
        held = partial(self._questions.held, task_id) if self._questions else None
        return Timeline(task_id, stores, self._events.of(task_id, zero), held)

    def _zero(self, task_id: str) -> float:
        """When anything was seen of a task first, which is when it was published where that was seen."""
        event, stores = self._events.first(task_id), self._stores.get(task_id, ())
        firsts = [*(() if event is None else (event,)), *(storing.returned for storing in stores[:1])]
        return min(firsts, default=0.0)

    def _look_now(self, task_id: str) -> None:
        """See what is held after the last store, if nobody has."""
        if self._questions is None or (last := self._open.get(task_id)) is None:
            return
        held = told(partial(self._questions.held, task_id))
        if task_id not in self._storing:  # else the next store is under way, and may be what was seen
            del self._open[task_id]
            last.held = held

    def _close(self, storing: Storing, stores: list[Storing]) -> None:
        """What a store has read first is what was held after the one before it, if no other came between."""
        last = self._open.pop(storing.task_id, None)
        if last is None or storing.before is UNREAD:
            return
        if last is stores[-1] and len(stores) == storing.earlier and storing.task_id not in self._storing:
            last.after = storing.before

    def is_known(self, task_id: str) -> bool:
        """Whether anything at all was seen of the task."""
        return self._events.first(task_id) is not None or task_id in self._stores

    def task_of(self, task_id: str) -> str:
        """The name of the task that was sent under an id, empty where it was not sent from here."""
        return self._published.get(task_id, "")

    def was_forgotten(self, task_id: str) -> bool:
        """Whether ``forget`` was called for the task."""
        return task_id in self._forgotten

    def has_stored(self, task_id: str, state: str) -> bool:
        """Whether there was an attempt to store this state for the task."""
        return any(storing.state == state for storing in self._stores.get(task_id, ()))

    @property
    def states(self) -> set[str]:
        """Every state that any task has stored."""
        with self.changed:
            return {storing.state for stores in self._stores.values() for storing in stores}

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

    def unfinished(self) -> list[Timeline]:
        """What happened so far to each task that was sent from here and has not ended."""
        with self.changed:
            return [
                self._timeline(task_id) for task_id in list(self._published) if task_id not in self._ready
            ]

    def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait at most *timeout* seconds; *condition* is looked at after each store."""
        limit = Limit(timeout)
        with self.changed:
            while not self.changed.wait_for(condition, limit.left):
                if limit.is_over:
                    return False
            return True

    def clear(self) -> None:
        """Forget what was seen; the store numbers go on growing."""
        with self.changed:
            for seen in (
                *(self._stores, self._open, self._events, self._published, self._ready),
                *(self._forgotten, self.groups, self.bodies, self.group_calls),
            ):
                seen.clear()

    # -- what happens

    def watch(self, backend: Any) -> None:
        """Observe all backends of this object's class that belong to the app."""
        self._observers.watch(backend)

    def unwatch(self) -> None:
        """Put every class back exactly as it was."""
        self._observers.unwatch()

    def published(
        self, task_id: str, task: str = "", group: str | None = None, body: str | None = None
    ) -> None:
        """Time zero of a task: it is about to be sent, as a member of a *group*, in the header of a *body*'s chord."""
        if group:
            self.groups.add(group)
        if body:
            self.bodies.add(body)
        self._published.setdefault(task_id, task)
        self.note("published", task_id)

    def note(self, kind: EventKind, task_id: str, state: str = "", detail: str = "") -> None:
        """Put an event on a task's timeline.

        Client and worker do so at the same time, and a task waits for it: a lock would be most of what it costs.
        """
        self._events.append((task_id, kind, time.monotonic(), threading.current_thread(), state, detail))
        if kind == "finished" and detail:  # nothing is stored that would wake anybody
            with self.changed:
                self.changed.notify_all()

    def forgot(self, task_id: str) -> None:
        """``forget`` was called for the task."""
        self._forgotten.add(task_id)
        self.note("forgotten", task_id)

    def begin(self, task_id: str) -> Storing:
        """A store is about to be made."""
        self._storing.append(task_id)
        return Storing(task_id, time.monotonic(), len(self._stores.get(task_id, ())))

    def look_after(self, storing: Storing, state: str, is_read_next: bool) -> None:
        """See what the store holds after a state that is not final, or comes after a final one, which Celery may keep.

        The next store would hide it. Where that reads it first (*is_read_next*), nobody asks until a test does.
        """
        task_id, storing.returned = storing.task_id, time.monotonic()
        if self._questions is None or (state in states.READY_STATES and task_id not in self._ready):
            return
        storing.is_open = is_read_next and self._is_alone(storing)
        if not is_read_next:
            held = told(partial(self._questions.held, task_id))
            # another thread that stores at the same time may have overwritten it already
            storing.held = held if self._is_alone(storing) else None

    def _is_alone(self, storing: Storing) -> bool:
        count = len(self._stores.get(storing.task_id, ()))
        return self._storing.count(storing.task_id) == 1 and count == storing.earlier

    def end(self, storing: Storing) -> None:
        """A store has returned, or raised an error, and what was given to it is kept."""
        task_id = storing.task_id
        storing.is_after_forget = task_id in self._forgotten
        with self.changed:
            self._storing.remove(task_id)
            self._count += 1
            stores = self._stores.setdefault(task_id, [])
            if self._open:
                self._close(storing, stores)
            stores.append(storing)
            if storing.is_open:
                self._open[task_id] = storing
            if storing.state in states.READY_STATES and not storing.error:
                self._ready[task_id] = self._count
            self.changed.notify_all()
