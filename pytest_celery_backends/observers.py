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
from .storing import UNREAD

if TYPE_CHECKING:
    from .recorder import Recorder

#: The methods of a backend that are about groups.
GROUP_CALLS: Final = ("save_group", "restore_group", "delete_group")
#: What a read is said to be that asked no backend.
CACHED = "known already"


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


class Observers:
    """Observes stores and reads.

    The methods are wrapped on the backend's class, because ``app.backend`` is another object in each
    thread. Backends of other apps pass through unrecorded.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._patches = ClassPatches()
        self._inside = threading.local()
        self._reading_first: set[type] = set()

    def watch(self, backend: Any) -> None:
        """Observe all backends of this object's class that belong to the app."""
        owner = type(backend)
        if not self._patches.has(owner):
            self._wrap(owner, "store_result", self._observe_store)
            self._wrap(owner, "forget", self._observe_forget)
            self._wrap(owner, "get_task_meta", self._observe_read)
            if _reads_first(owner):
                self._reading_first.add(owner)
                self._wrap(owner, "get", self._observe_raw_read)
            for name in GROUP_CALLS:
                self._wrap(owner, name, functools.partial(self._observe_group, name))
            if hasattr(owner, "get_many"):
                self._wrap(owner, "get_many", self._observe_reads)
        if not self._patches.has(AsyncResult):
            self._wrap(AsyncResult, "_maybe_set_cache", self._observe_arrival)
            self._wrap(AsyncResult, "_get_task_meta", self._observe_look)
            self._wrap(AsyncResult, "get", self._observe_get, flag="client_gets")

    def unwatch(self) -> None:
        """Put every class back exactly as it was."""
        self._patches.put_back()

    def _wrap(self, owner: type, name: str, observe: Callable[..., Any], *, flag: str = "") -> None:
        original, flag = getattr(owner, name), flag or name
        app, inside = self._recorder.app, self._inside

        @functools.wraps(original)
        def observed(backend: Any, *args: Any, **kwargs: Any) -> Any:
            # a subclass that calls super() must not be counted twice
            if backend.app is not app or getattr(inside, flag, False):
                return original(backend, *args, **kwargs)
            setattr(inside, flag, True)
            try:
                return observe(functools.partial(original, backend), *args, **kwargs)
            finally:
                setattr(inside, flag, False)

        self._patches.replace(owner, name, observed)

    # -- stores

    def _observe_store(self, store: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        names = ("task_id", "result", "state", "traceback", "request")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        storing = self._inside.storing = self._recorder.begin(str(given["task_id"]))
        owner, error = type(store.args[0]), ""  # type: ignore[attr-defined]
        try:
            stored = store(*args, **kwargs)
            if storing.before is UNREAD:
                self._reading_first.discard(owner)
            self._recorder.look_after(storing, given["state"], owner in self._reading_first)
            return stored
        except BaseException as failure:
            error = repr(failure)
            raise
        finally:
            self._inside.storing = None
            self._recorder.end(storing, given, error)

    def _observe_raw_read(self, read: Callable[..., Any], key: Any) -> Any:
        """Within a store it is Celery's own look at what was stored before: as good as one of ours, and for nothing."""
        raw = read(key)
        storing = getattr(self._inside, "storing", None)
        if storing is not None and storing.before is UNREAD:
            storing.before = raw
        return raw

    def _observe_forget(self, forget: Callable[..., Any], task_id: str, *args: Any, **kwargs: Any) -> Any:
        self._recorder.timeline(str(task_id))  # what it held is not to be seen any more after this
        try:
            result = forget(task_id, *args, **kwargs)
        except BaseException as failure:  # it may be there still
            self._recorder.note("not forgotten", str(task_id), detail=repr(failure))
            raise
        self._recorder.forgot(str(task_id))
        return result

    def _observe_group(
        self, name: str, call: Callable[..., Any], group_id: str, *args: Any, **kwargs: Any
    ) -> Any:
        saved = args[0].as_tuple() if name == "save_group" and args else None
        try:
            return call(group_id, *args, **kwargs)
        finally:
            self._recorder.group_calls.append(GroupCall(time.monotonic(), name, str(group_id), saved))

    # -- reads

    def _observe_read(self, read: Callable[..., Any], task_id: str, *args: Any, **kwargs: Any) -> Any:
        meta = read(task_id, *args, **kwargs)
        self._note_read(str(task_id), meta)
        self._inside.last_read = meta
        return meta

    def _observe_reads(self, read: Callable[..., Any], *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Key-value stores read many results at once."""
        for task_id, meta in read(*args, **kwargs):
            if meta is not getattr(self._inside, "last_read", None):
                self._note_read(str(task_id), meta)
                self._inside.last_read = meta
            yield task_id, meta

    def _observe_arrival(self, keep: Callable[..., Any], meta: Any) -> Any:
        """Redis and RabbitMQ tell a waiting client, which asks nobody; what was read just now came already."""
        if meta is not getattr(self._inside, "last_read", None) and meta and "task_id" in meta:
            self._note_read(str(meta["task_id"]), meta)
        return keep(meta)

    def _observe_look(self, look: Callable[..., Any]) -> Any:
        """A result that has ended is kept by the client, and not read again."""
        known = look.args[0]._cache  # type: ignore[attr-defined]
        if known is not None and not getattr(self._inside, "client_gets", False):
            self._note_read(look.args[0].id, known, CACHED)  # type: ignore[attr-defined]
        return look()

    def _observe_get(self, get: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = get.args[0]  # type: ignore[attr-defined]
        if result._cache:
            self._note_read(result.id, result._cache, CACHED)
        return get(*args, **kwargs)

    def _note_read(self, task_id: str, meta: Any, detail: str = "") -> None:
        state = str(meta["status"])
        is_unknown = state == states.PENDING and not self._recorder.has_stored(task_id, state)
        self._recorder.note("read", task_id, state, "unknown to the backend" if is_unknown else detail)
