"""Has a recorder see what happens to an app's tasks, and look away while the app is somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from celery import signals

from .recorder import Recorder
from .task_signals import TaskSignals, hear, hear_no_more, note_published


class Observing:
    """All that a recorder listens to: what is sent, what is stored and read, and what signals say of tasks.

    Arguments:
        backends: gives the backend objects that the app has by now.
        declared: called with each queue that a message is sent to.
    """

    def __init__(
        self, recorder: Recorder, backends: Callable[[], Iterable[Any]], declared: Callable[[Any], None]
    ) -> None:
        self._recorder = recorder
        self._backends = backends
        self._declared = declared
        self._signals = TaskSignals(recorder.app, recorder.note)
        self._publishing = self._before_publish  # one object, which signals know it by
        self._undo = ExitStack()

    def begin(self) -> None:
        """Observe from now on."""
        with ExitStack() as undo:
            undo.callback(self._recorder.unwatch)
            for backend in self._backends():
                self._recorder.watch(backend)
            hear(signals.before_task_publish, self._publishing)
            undo.callback(hear_no_more, signals.before_task_publish, self._publishing)
            self._signals.connect()
            undo.callback(self._signals.disconnect)
            # the sender remembers a signal's list of receivers, which Celery replaces when one of them is gone
            self._recorder.app.amqp.__dict__.pop("send_task_message", None)
            self._undo = undo.pop_all()

    def end(self) -> None:
        """Observe no more."""
        self._undo.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Observe nothing meanwhile."""
        self.end()
        try:
            yield
        finally:
            self.begin()

    def _before_publish(self, headers: Any = None, body: Any = None, declare: Any = (), **_: Any) -> None:
        note_published(self._recorder, headers or {}, body)
        for queue in declare or ():
            self._declared(queue)
