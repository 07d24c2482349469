"""``get()`` on polled backends, woken by the store instead of by the clock.

Celery's own loops stay as they are and go on reading the real backend; only their sleep between two
reads ends early, once everything that is waited for was stored in this process. A result stored
elsewhere is found as always, after ``interval``.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import celery.backends.asynchronous
import celery.backends.base
import celery.result

from .limits import clock
from .recorder import Recorder


@dataclass
class _Nap:
    """The sleep that comes next in this thread: it ends early when all of *awaited* were stored."""

    recorder: Recorder
    awaited: Collection[str]
    since: int


class _Clock(ModuleType):
    """Stands in for the ``time`` module where Celery waits with a limit: it stands still while somebody debugs."""

    def __getattr__(self, name: str) -> Any:
        return clock if name == "monotonic" else getattr(time, name)


class _NappingClock(_Clock):
    """The one of ``celery.backends.base``, whose ``sleep`` differs too."""

    def __init__(self, naps: threading.local) -> None:
        super().__init__("time")
        self._naps = naps

    def sleep(self, seconds: float) -> None:
        nap: _Nap | None = getattr(self._naps, "next", None)
        self._naps.next = None
        if nap is None:
            time.sleep(seconds)
        else:
            nap.recorder.wait_until(lambda: nap.recorder.all_ready_since(nap.awaited, nap.since), seconds)


class Waker:
    """Ends the sleeps of Celery's polling loops early, for one recorder's app."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._naps = threading.local()
        self._before: list[tuple[Any, Any]] = []

    def install(self) -> None:
        """Replace the clocks of Celery's waits."""
        clocks = {
            celery.backends.base: _NappingClock(self._naps),
            celery.backends.asynchronous: _Clock("time"),
            celery.result: _Clock("time"),
        }
        self._before = [(module, module.time) for module in clocks]
        for module, ours in clocks.items():
            module.time = ours

    def uninstall(self) -> None:
        """Put the clocks back."""
        for module, before in self._before:
            module.time = before

    def adapt(self, backend: Any) -> None:
        """Announce what this backend object waits for just before it sleeps."""
        if not backend.is_async:  # redis and rpc are told by their server
            backend.wait_for = self._announcing_wait_for(backend.wait_for)
        if hasattr(backend, "get_many"):
            # the class's own when it is called: that may be observed by then
            backend.get_many = self._announcing_get_many(
                lambda *a, **k: type(backend).get_many(backend, *a, **k)
            )

    def _announcing_wait_for(self, wait_for: Any) -> Any:
        @functools.wraps(wait_for)
        def announced(
            task_id: str,
            timeout: float | None = None,
            interval: float = 0.5,
            no_ack: bool = True,
            on_interval: Any = None,
        ) -> Any:
            # up to Celery 5.6 a timeout within the first interval is raised without another read
            if timeout and interval >= timeout:
                interval = timeout / 10
            return wait_for(
                task_id,
                timeout=self._before_first_read({task_id}, timeout, interval),
                interval=interval,
                no_ack=no_ack,
                on_interval=self._announcer({task_id}, on_interval),
            )

        return announced

    def _announcing_get_many(self, get_many: Any) -> Any:
        @functools.wraps(get_many)
        def announced(
            task_ids: Any,
            timeout: float | None = None,
            interval: float | None = 0.5,
            *args: Any,
            on_interval: Any = None,
            **kwargs: Any,
        ) -> Any:
            # Celery takes out of this very set what it has handed back
            left = {getattr(task_id, "id", task_id) for task_id in task_ids}
            if kwargs.get("max_iterations"):
                # a peek before subscribing: the loop ends after its sleep, and nothing is waited for
                announcing = self._announcer((), on_interval)
            else:
                announcing = self._announcer(left, on_interval)
                timeout = self._before_first_read(left, timeout, interval or 0.5)
            return get_many(left, timeout, interval, *args, on_interval=announcing, **kwargs)

        return announced

    def _before_first_read(
        self, task_ids: Collection[str], timeout: float | None, interval: float
    ) -> float | None:
        """Wait up to one interval for tasks of which it is known that they are not done; gives what is left.

        A read that comes while the worker writes may be torn: Celery's filesystem backend rewrites its
        files in place.
        """
        recorder = self._recorder
        if timeout == 0 or not any(map(recorder.is_under_way, task_ids)):
            return timeout
        started = clock()
        limit = interval if timeout is None else min(interval, timeout)
        recorder.wait_until(lambda: not any(map(recorder.is_under_way, task_ids)), limit)
        # zero would mean no limit up to Celery 5.6
        return None if timeout is None else max(timeout - (clock() - started), 0.001)

    def _announcer(self, awaited: Collection[str], on_interval: Any) -> Any:
        since = self._recorder.count

        def announce(*args: Any) -> None:
            nonlocal since
            if on_interval is not None:
                on_interval(*args)
            self._naps.next = _Nap(self._recorder, awaited, since)
            since = self._recorder.count

        return announce
