"""What the in-process worker reads and waits with: Celery's consumer and timer, woken instead of sleeping."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from celery import bootsteps
from celery.app.trace import build_tracer
from celery.exceptions import WorkerShutdown
from celery.utils import timer2
from celery.worker import state
from celery.worker.consumer import Consumer

#: How long a worker, and its timer, may take to stop, in seconds.
STOP_LIMIT: Final = 5.0


class WakingTimer(timer2.Timer):  # type: ignore[misc]
    """Celery's timer thread, waiting to be told instead of sleeping for up to a second.

    What is due is handed to ``call_soon`` of the consumer, so that it runs in the worker's own thread, as
    it does with the event loop of a worker in production.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_interval"] = 3600.0  # each change wakes it
        super().__init__(*args, **kwargs)
        self._stopping = False
        self.call_soon: Callable[..., Any] = lambda function, *args: function(*args)

    def run(self) -> None:
        self.running = True
        self.scheduler = iter(self.schedule)
        while not self._stopping:
            with self.not_empty:
                if self._stopping:
                    break
                delay, entry = next(self.scheduler)
                if entry is None:
                    self.not_empty.wait(delay)
                    continue
            self.call_soon(self.schedule.apply_entry, entry)

    def stop(self) -> None:
        with self.not_empty:
            self._stopping = True
            self.not_empty.notify_all()
        if self.running and threading.current_thread() is not self:
            self.join(STOP_LIMIT)
        self.running = False


class Strategies(dict[str, Any]):
    """Strategies by task name, each made for one task object.

    A task that was registered after the start gets its own at first use; so does one that replaced another
    of the same name, as tasks of successive tests do.
    """

    def __init__(self) -> None:
        super().__init__()
        self.consumer: Any = None
        self._made_for: dict[str, Any] = {}

    def __setitem__(self, name: str, strategy: Any) -> None:
        super().__setitem__(name, strategy)
        self._made_for[name] = self.consumer.app.tasks[name]

    def __getitem__(self, name: str) -> Any:
        consumer = self.consumer
        task = consumer.app.tasks[name]  # a KeyError is Celery's usual "unregistered task"
        if self._made_for.get(name) is not task:
            self[name] = consumer.first_check_at_once(name, task.start_strategy(consumer.app, consumer))
            loader, hostname = consumer.app.loader, consumer.hostname
            task.__trace__ = build_tracer(name, task, loader, hostname, app=consumer.app)
            consumer.task_buckets[name] = consumer.bucket_for_task(task)
        return super().__getitem__(name)


class InProcessConsumer(Consumer):  # type: ignore[misc]
    """Celery's consumer with a loop that ends when told and wakes for each thing to do."""

    Strategies = Strategies

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        #: Messages that could not be read, with the error, by the id of their task; Celery only logs them.
        self.unread: dict[str, tuple[Any, Exception]] = {}
        super().__init__(*args, **kwargs)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._note_unread(message, exc)
        super().on_decode_error(message, exc)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._note_unread(message, exc)
        super().on_invalid_task(body, message, exc)

    def _note_unread(self, message: Any, error: Exception) -> None:
        self.unread[str((message.headers or {}).get("id", ""))] = message, error

    def update_strategies(self) -> None:
        self.strategies.consumer = self
        super().update_strategies()
        name = "celery.chord_unlock"
        self.strategies[name] = self.first_check_at_once(name, self.strategies[name])

    @staticmethod
    def first_check_at_once(name: str, strategy: Any) -> Any:
        """Polled chords look for the first time after one second, whatever the settings say.

        ``fallback_chord_unlock(countdown=1)`` in ``celery/backends/base.py``; all later looks follow
        ``result_chord_retry_interval``.
        """
        if name != "celery.chord_unlock":
            return strategy

        def unlock(message: Any, *args: Any, **kwargs: Any) -> Any:
            if not message.headers.get("retries"):
                message.headers["eta"] = None
            return strategy(message, *args, **kwargs)

        return unlock

    def call_soon(self, p: Any, *args: Any, **kwargs: Any) -> Any:
        promise = super().call_soon(p, *args, **kwargs)
        self.wake()  # else it would be called when the next message comes
        return promise

    def on_close(self) -> None:
        """Let go of the messages of the connection that has ended, and of no other worker's.

        Celery takes a worker for the only one of its process: it clears the requests of all, and from 5.7 on cancels
        what waits for its time (celery/worker/consumer/consumer.py). Here another one, of the next test or of another
        backend, may be at work while one that was given up ends.
        """
        for bucket in self.task_buckets.values():
            if bucket:
                bucket.clear_pending()
        self.timer.clear()
        kept: list[Any] = [state.reserved_requests, getattr(state, "scheduled_requests", set())]
        for waiting in kept:
            for request in tuple(waiting):
                if request.hostname == self.hostname and request not in state.active_requests:
                    waiting.discard(request)
                    state.requests.pop(request.id, None)

    def wake(self) -> None:
        """Make the loop look around."""
        connection = self.connection
        if connection is not None:
            connection.transport.interrupt()

    @staticmethod
    def loop(
        obj: Any, connection: Any, consumer: Any, blueprint: Any, hub: Any, qos: Any, *_: Any, **__: Any
    ) -> None:
        """Consume until the worker is told to stop."""
        consumer.on_message = obj.create_task_handler()
        consumer.consume()
        obj.on_ready()
        while blueprint.state == bootsteps.RUN and obj.connection:
            if obj.controller.stop_requested:
                raise WorkerShutdown(0)
            if qos.prev != qos.value:
                qos.update()
            obj.perform_pending_operations()
            with suppress(TimeoutError):  # woken: something above has changed
                connection.drain_events(timeout=None)
