"""Wraps the methods of one app's backends and results, and tells a recorder of each call; they go on as they are."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from celery import states
from celery.backends.base import KeyValueStoreBackend
from celery.result import AsyncResult

from .class_patches import ClassPatches
from .comparison import shown
from .storing import UNREAD, Storing

if TYPE_CHECKING:
    from .recorder import Recorder

#: The methods of a backend that are about groups.
GROUP_CALLS: Final = ("save_group", "restore_group", "delete_group")
#: What a read is said to be that asked no backend.
CACHED = "known already"
#: So many characters of an error are told.
_LONGEST: Final = 10_000


def _reads_first(owner: type) -> bool:
    """Whether a backend's stores begin with a read of what they are about to replace, as Celery's on Redis do."""
    own = getattr(owner, "_store_result", None)
    names = {kind.__name__ for kind in owner.__mro__}
    return "RedisBackend" in names and own is KeyValueStoreBackend._store_result


class GroupCall(NamedTuple):
    """What was done with a group, with its members where it was saved: as ``GroupResult.as_tuple()`` gives them."""

    moment: float
    name: str
    group_id: str
    members: Any


class _Within(threading.local):
    """Which observed calls this thread is in, the store among them, and what it has read last."""

    def __init__(self) -> None:
        self.calls: set[str] = set()
        self.storing: Storing | None = None
        self.last_read: Any = None


class Observers:
    """Observes stores and reads.

    The methods are wrapped on the backend's class, because ``app.backend`` is another object in each
    thread. Backends of other apps pass through unrecorded.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._patches = ClassPatches()
        self._within = _Within()
        self._reading_first: set[type] = set()
        self._made: dict[tuple[str, Any], Callable[..., Any]] = {}

    def watch(self, backend: Any) -> None:
        """Observe all backends of this object's class that belong to the app."""
        owner = type(backend)
        if not self._patches.has(owner):
            self._observe(owner, "store_result", self._observe_store)
            self._observe(owner, "forget", self._observe_forget)
            self._observe(owner, "get_task_meta", self._observe_read)
            if _reads_first(owner):
                self._reading_first.add(owner)
                self._wrap(owner, "get", self._observed_raw_read)
            for name in GROUP_CALLS:
                self._observe(owner, name, functools.partial(self._observe_group, name))
            if hasattr(owner, "get_many"):
                self._observe(owner, "get_many", self._observe_reads)
        if not self._patches.has(AsyncResult):
            self._wrap(AsyncResult, "_maybe_set_cache", self._observed_arrival)
            self._wrap(AsyncResult, "_get_task_meta", self._observed_look)
            self._observe(AsyncResult, "get", self._observe_get, flag="client_gets")

    def unwatch(self) -> None:
        """Put every class back exactly as it was."""
        self._patches.put_back()

    def _observe(self, owner: type, name: str, observe: Callable[..., Any], *, flag: str = "") -> None:
        self._wrap(owner, name, functools.partial(self._observed, flag or name, observe))

    def _wrap(self, owner: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Put what *make* makes of a method in its place; made once, for every test wraps again."""
        original = getattr(owner, name)
        if (name, original) not in self._made:
            self._made[name, original] = make(original)
        self._patches.replace(owner, name, self._made[name, original])

    def _observed(
        self, call: str, observe: Callable[..., Any], original: Callable[..., Any]
    ) -> Callable[..., Any]:
        app, within = self._recorder.app, self._within

        @functools.wraps(original)
        def observed(subject: Any, *args: Any, **kwargs: Any) -> Any:
            # a subclass that calls super() must not be counted twice
            if subject.app is not app or call in (calls := within.calls):
                return original(subject, *args, **kwargs)
            calls.add(call)
            try:
                return observe(original, subject, *args, **kwargs)
            finally:
                calls.discard(call)

        return observed

    # -- stores

    def _observe_store(self, store: Callable[..., Any], backend: Any, *args: Any, **kwargs: Any) -> Any:
        task_id, value, state, traceback, request = _stored(*args, **kwargs)
        storing = self._within.storing = self._recorder.begin(str(task_id))
        owner, error = type(backend), ""
        try:
            stored = store(backend, *args, **kwargs)
            if storing.before is UNREAD:
                self._reading_first.discard(owner)
            self._recorder.look_after(storing, state, owner in self._reading_first)
            return stored
        except BaseException as failure:
            error = shown(failure, _LONGEST)
            raise
        finally:
            self._within.storing = None
            storing.keep(state, value, traceback, request, error)
            self._recorder.end(storing)

    def _observed_raw_read(self, read: Callable[..., Any]) -> Callable[..., Any]:
        """Within a store it is Celery's own look at what was stored before: as good as one of ours, and for nothing."""
        app, within = self._recorder.app, self._within

        @functools.wraps(read)
        def observed(backend: Any, key: Any) -> Any:
            raw, storing = read(backend, key), within.storing
            if storing is not None and storing.before is UNREAD and backend.app is app:
                storing.before = raw
            return raw

        return observed

    def _observe_forget(
        self, forget: Callable[..., Any], backend: Any, task_id: str, *args: Any, **kwargs: Any
    ) -> Any:
        self._recorder.timeline(str(task_id))  # what it held is not to be seen any more after this
        try:
            result = forget(backend, task_id, *args, **kwargs)
        except BaseException as failure:  # it may be there still
            self._recorder.note("not forgotten", str(task_id), detail=shown(failure, _LONGEST))
            raise
        self._recorder.forgot(str(task_id))
        return result

    def _observe_group(
        self, name: str, call: Callable[..., Any], backend: Any, group_id: str, *args: Any, **kwargs: Any
    ) -> Any:
        saved = args[0].as_tuple() if name == "save_group" and args else None
        try:
            return call(backend, group_id, *args, **kwargs)
        finally:
            self._recorder.group_calls.append(GroupCall(time.monotonic(), name, str(group_id), saved))

    # -- reads

    def _observe_read(
        self, read: Callable[..., Any], backend: Any, task_id: str, *args: Any, **kwargs: Any
    ) -> Any:
        meta = read(backend, task_id, *args, **kwargs)
        self._note_read(str(task_id), meta)
        self._within.last_read = meta
        return meta

    def _observe_reads(
        self, read: Callable[..., Any], backend: Any, *args: Any, **kwargs: Any
    ) -> Iterator[Any]:
        """Key-value stores read many results at once."""
        for task_id, meta in read(backend, *args, **kwargs):
            if meta is not self._within.last_read:
                self._note_read(str(task_id), meta)
                self._within.last_read = meta
            yield task_id, meta

    def _observed_arrival(self, keep: Callable[..., Any]) -> Callable[..., Any]:
        """Redis and RabbitMQ tell a waiting client, which asks nobody; what was read just now came already."""
        app, within = self._recorder.app, self._within

        @functools.wraps(keep)
        def observed(result: AsyncResult, meta: Any) -> Any:
            if meta is not within.last_read and meta and result.app is app and "task_id" in meta:
                self._note_read(str(meta["task_id"]), meta)
            return keep(result, meta)

        return observed

    def _observed_look(self, look: Callable[..., Any]) -> Callable[..., Any]:
        """A result that has ended is kept by the client, and not read again."""
        app, within = self._recorder.app, self._within

        @functools.wraps(look)
        def observed(result: AsyncResult) -> Any:
            known = result._cache
            if known is not None and result.app is app and "client_gets" not in within.calls:
                self._note_read(result.id, known, CACHED)
            return look(result)

        return observed

    def _observe_get(self, get: Callable[..., Any], result: AsyncResult, *args: Any, **kwargs: Any) -> Any:
        if result._cache:
            self._note_read(result.id, result._cache, CACHED)
        return get(result, *args, **kwargs)

    def _note_read(self, task_id: str, meta: Any, detail: str = "") -> None:
        state = str(meta["status"])
        if state == states.PENDING and not self._recorder.has_stored(task_id, state):
            detail = "unknown to the backend"
        self._recorder.note("read", task_id, state, detail)


def _stored(
    task_id: Any, result: Any, state: str, traceback: Any = None, request: Any = None, **_: Any
) -> tuple[Any, Any, str, Any, Any]:
    """What of the arguments of ``store_result`` is noted."""
    return task_id, result, state, traceback, request
