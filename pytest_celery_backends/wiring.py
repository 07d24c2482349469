"""The user's own Celery app on other servers for the length of a test, and back exactly as it was."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any, Final

from celery.app.backends import by_url

from .database_tables import own_tables
from .errors import BackendsError
from .originals import put_back_attributes
from .overlay import Overlay
from .releases import Step, backend_steps, pool_steps, run_within
from .surroundings import Pools, contents, current, derived_attributes, environment
from .task_settings import Definitions, Tasks, copied_settings

#: How long closing connections may take, in seconds.
CLOSE_LIMIT: Final = 5.0


class Wiring:
    """An app's life on one broker and one backend; taking it on and off swaps references only.

    Between two activations the wiring keeps what was built under it: backend objects of all threads,
    pools, ``amqp``, tracers. So a worker that was started under it can stay.

    Arguments:
        app: the Celery app; it is finalized and its configuration read, as its first ``delay()`` would.
        settings: Celery's settings for the time, in any spelling: ``broker_url``, ``result_backend`` and
            all others. The app's own settings stay in force otherwise. What decides about the server
            (``overlay.SERVERS``) can only be set here, not in the test.
        adapt: called with each backend object that Celery builds under the wiring.

    >>> from celery import Celery
    >>> app = Celery("shop", broker="amqp://production", backend="redis://production", set_as_current=False)
    >>> wiring = Wiring(app, {"broker_url": "memory://", "result_backend": "cache+memory://"})
    >>> wiring.activate()
    >>> type(app.backend).__name__
    'CacheBackend'
    >>> wiring.deactivate()
    >>> app.conf.result_backend
    'redis://production'
    >>> wiring.close()
    """

    def __init__(
        self, app: Any, settings: Mapping[str, Any], adapt: Callable[[Any], None] | None = None
    ) -> None:
        self.app = app
        self.settings = MappingProxyType(dict(settings))
        self._adapt = adapt
        self._overlay: Overlay | None = None
        self._undo: ExitStack | None = None
        self._derived = derived_attributes(type(app))
        self._forget()

    def _forget(self) -> None:
        """Start without anything built."""
        self._built: list[tuple[threading.Thread, Any]] = []
        self._attributes: dict[str, Any] = {
            "_local": threading.local(),
            "_backend_cache": None,
            "_pool": None,
        }
        self._traces: dict[Any, Any] = {}
        self._pools = Pools()
        self._has_changes = False

    @property
    def backends(self) -> tuple[Any, ...]:
        """Every backend object that Celery built under this wiring, in order: each thread has its own."""
        return tuple(backend for _, backend in self._built)

    @property
    def is_active(self) -> bool:
        """Whether the app is on this wiring's servers now."""
        return self._undo is not None

    @property
    def has_changes(self) -> bool:
        """Whether settings changed, which what was built under this wiring may remember.

        By the last test, or outside since then. The next ``activate()`` starts with nothing built; a worker
        should be replaced, so ask before.
        """
        overlay = self._overlay
        if self.is_active or overlay is None:
            return False
        return self._has_changes or overlay.conf is not self.app.conf or overlay.is_stale

    def activate(self) -> None:
        """Put the app on this wiring's servers, in this thread and as the default of all others.

        Raises BackendsError where it is there already, and whatever the app's configuration raises;
        the app is as before then.
        """
        if self.is_active:
            cause = f"the wiring of app {self.app.main!r} is active already"
            raise BackendsError(cause, remedy="wiring.deactivate()")
        if self.has_changes:
            self.close()
            self._overlay = None
        self.app.finalize()
        if self._overlay is None:
            self.app.conf.finalize()
            self._overlay = Overlay(self.app.conf, self.settings)
        with ExitStack() as undo:
            self._swap(undo, self._overlay)
            self._undo = undo.pop_all()

    def deactivate(self) -> None:
        """Give the app back as it was; does nothing where the wiring is not active.

        Raises BackendsError where another wiring was activated on top and is active still.
        """
        if self._undo is None:
            return
        on_top = self.app.__dict__.get("_rewired_by", self)
        if on_top is not self:
            cause = f"a wiring of app {self.app.main!r} ends before one that was activated later"
            tried = [f"the later one leads to {on_top.app.conf.result_backend}"]
            raise BackendsError(cause, tried=tried, remedy="inner.deactivate(); outer.deactivate()")
        undo, self._undo = self._undo, None
        undo.close()
        self._close_those_of_ended_threads()

    def close(self, timeout: float = CLOSE_LIMIT) -> None:
        """Let go of everything built under this wiring; call it before the servers stop.

        Arguments:
            timeout: seconds after which it gives up and raises WaitTimeout.
        """
        self.deactivate()
        steps: list[Step] = list(pool_steps(self._pools.owned))
        for backend in self.backends:
            steps += backend_steps(backend)
        self._forget()
        if steps:
            run_within(timeout, steps, remedy=f"wiring.close(timeout={4 * timeout:g})")

    def _close_those_of_ended_threads(self) -> None:
        """A worker that was replaced and threads of a test leave their backend objects behind."""
        shared = self._attributes.get("_backend_cache")
        ended = [each for each in self._built if not each[0].is_alive() and each[1] is not shared]
        if ended:
            self._built = [each for each in self._built if each not in ended]
            steps = [step for _, backend in ended for step in backend_steps(backend)]
            run_within(CLOSE_LIMIT, steps, remedy="wiring.close()")

    def _swap(self, undo: ExitStack, overlay: Overlay) -> None:
        """Everything that activating does, each with its undoing, which comes in reverse order."""
        app = self.app
        undo.enter_context(environment(overlay.settings))
        undo.enter_context(self._pools.there())
        undo.enter_context(current(app))
        undo.enter_context(contents(app))
        before = copied_settings(app, overlay.settings)
        now = {name: overlay.settings.get(name, value) for name, value in before.items()}
        definitions = Definitions(app)
        undo.callback(definitions.put_back, under=now, now=before)
        tasks = Tasks(app, self._traces)
        undo.callback(self._put_back_tasks, tasks)
        tasks.follow(before, now)
        undo.callback(self._uncover, overlay)
        overlay.push()
        undo.enter_context(own_tables(overlay.conf, self.backends))
        undo.callback(self._swap_back, dict(app.__dict__))
        self._swap_attributes(overlay)

    def _put_back_tasks(self, tasks: Tasks) -> None:
        self._traces = tasks.traces()
        tasks.put_back()

    def _uncover(self, overlay: Overlay) -> None:
        self._has_changes |= overlay.pop()

    def _swap_attributes(self, overlay: Overlay) -> None:
        attributes = self.app.__dict__
        for name in self._derived:
            attributes.pop(name, None)
        attributes.update(self._attributes)
        attributes.update(
            backend_cls=None,
            _get_backend=self._build_backend,
            _load_config=functools.partial(_load_config, self.app, overlay.conf),
            _rewired_by=self,
        )

    def _swap_back(self, before: dict[str, Any]) -> None:
        attributes = self.app.__dict__
        self._has_changes = attributes["_conf"] is not before["_conf"]
        own = [*self._derived, "_local", "_backend_cache", "_pool"]
        self._attributes = {name: attributes[name] for name in own if name in attributes}
        put_back_attributes(attributes, before)

    def _build_backend(self) -> Any:
        """What ``app._get_backend`` does, whatever a subclass made of it."""
        assert self._overlay is not None
        with self._overlay.unnoticed():
            backend_class, url = by_url(self.app.conf.result_backend, self.app.loader)
            backend = backend_class(app=self.app, url=url)
            if self._adapt is not None:
                self._adapt(backend)
        self._built.append((threading.current_thread(), backend))
        return backend


@contextmanager
def rewired(
    app: Any, settings: Mapping[str, Any], adapt: Callable[[Any], None] | None = None
) -> Iterator[Wiring]:
    """The app on other servers within a block; connections are closed at its end.

    The arguments are those of Wiring, which is what is yielded.

    >>> from celery import Celery
    >>> app = Celery("shop", broker="amqp://production", set_as_current=False)
    >>> with rewired(app, {"broker_url": "memory://", "result_backend": "cache+memory://"}):
    ...     app.connection_for_write().transport_cls
    'memory'
    """
    wiring = Wiring(app, settings, adapt)
    wiring.activate()
    try:
        yield wiring
    finally:
        wiring.close()


def _load_config(app: Any, conf: Any) -> Any:
    """Read the configuration into the conf that is laid over, which lays over again what it gets."""
    app._conf = conf
    return type(app)._load_config(app)
