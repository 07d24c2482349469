"""Keeps a Redis result consumer from missing results, and from waiting for itself when they are collected."""

from __future__ import annotations

import functools
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from .celery_release import celery_release

if TYPE_CHECKING:
    from .spec import Side


#: Seconds for a server to confirm a subscription; it goes on as in production then.
LIMIT: Final = 1.0
#: Seconds of one wait for a message: nothing wakes it when another thread closes the socket.
POLL: Final = 1.0


def mend_pubsub(backend: Any, side: Side) -> None:
    """Let a client hear of every result, and collect results whenever it likes."""
    consumer, client = backend.result_consumer, backend.client
    if celery_release() < (5, 7):  # which has a remedy of its own
        _OneAtATime(consumer).install()
    if side == "client":
        early: deque[Any] = deque()
        client.pubsub = functools.partial(_confirmed, client.pubsub, early)
        consumer.drain_events = functools.partial(_drain_early, consumer, consumer.drain_events, early)


def _confirmed(make: Callable[..., Any], early: deque[Any], **options: Any) -> Any:
    """A connection for messages whose ``subscribe`` returns once the server has done so; others go to *early*.

    Celery sends SUBSCRIBE and looks for the result over another connection, at once. A server that reads these
    the other way round tells neither of them of a result that is stored in between, and ``get()`` then waits for
    its whole timeout. In production that takes a task of less than a millisecond; here tasks are that short.
    """
    pubsub = make(**options)
    subscribe = pubsub.subscribe

    def subscribe_and_wait(*channels: Any, **handlers: Any) -> Any:
        result = subscribe(*channels, **handlers)
        left, until = len(channels) + len(handlers), time.monotonic() + LIMIT
        while left and (timeout := until - time.monotonic()) > 0:
            response = pubsub.parse_response(block=False, timeout=timeout)
            left -= bool(response) and response[0] in (b"subscribe", "subscribe")
            message = pubsub.handle_message(response)
            if message is not None and message["type"] == "message":
                early.append(message)
        return result

    pubsub.subscribe = subscribe_and_wait
    return pubsub


def _drain_early(
    consumer: Any, drain: Callable[..., None], early: deque[Any], timeout: float | None = None
) -> None:
    """Take what came while something was subscribed to before anything else: no socket tells of it any more."""
    try:
        message = early.popleft()
    except IndexError:
        drain(timeout=timeout)
    else:
        consumer.on_state_change(consumer._decode_result(message["data"]), message)


class _OneAtATime:
    """Lets one thread at a time, and only once, use the connection on which a consumer hears of results.

    ``AsyncResult.__del__`` unsubscribes, and the garbage collector runs it anywhere: in a thread that subscribes
    to another result and holds the lock of the connection, which then waits for itself for ever
    (https://github.com/celery/celery/issues/10477), or beside one that reads. redis-py's connection takes no
    two at once: over TLS the process may crash. Celery 5.7 does what is done here by itself
    (``celery.backends.redis.ResultConsumer``).
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._cancel_for = consumer.cancel_for
        self._consume_from = consumer.consume_from
        self._drain_events = consumer.drain_events
        self._lock = threading.RLock()
        self._inside = threading.local()
        self._put_off: deque[str] = deque()

    def install(self) -> None:
        """Have the consumer ask us."""
        self._consumer.cancel_for = self.cancel_for
        self._consumer.consume_from = self.consume_from
        self._consumer.drain_events = self.drain_events

    def cancel_for(self, task_id: str) -> None:
        """Unsubscribe, at once or at the end of what is being done with the connection; never waits for that."""
        self._put_off.append(task_id)
        self._cancel_put_off()

    def consume_from(self, task_id: str) -> None:
        """Subscribe, also to what was to be unsubscribed."""
        with self._alone():
            while task_id in self._put_off:
                self._put_off.remove(task_id)
            self._consume_from(task_id)

    def drain_events(self, timeout: float | None = None) -> None:
        """Read a message; others may subscribe while none comes."""
        seconds = POLL if timeout is None else min(timeout, POLL)
        pubsub = self._consumer._pubsub
        if pubsub is None:
            time.sleep(seconds)
        elif self._has_message(pubsub) or _may_have_message(pubsub, seconds):
            with self._alone():
                self._drain_events(timeout=0)

    def _has_message(self, pubsub: Any) -> bool:
        """Whether one was read from the socket: the socket would not tell of it."""
        with self._alone():
            try:
                connection = pubsub.connection
                return bool(pubsub.subscribed and connection and connection.can_read(timeout=0))
            except self._consumer._connection_errors:
                return True  # Celery reconnects when it meets the same

    def _cancel_put_off(self) -> None:
        # again after each release: what was put off meanwhile found the lock taken
        while self._put_off and not self._is_inside() and self._lock.acquire(blocking=False):
            try:
                self._inside.now = True
                while self._put_off:
                    self._cancel_for(self._put_off.popleft())
            finally:
                self._inside.now = False
                self._lock.release()

    def _is_inside(self) -> bool:
        return getattr(self._inside, "now", False)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        was_inside = self._is_inside()
        with self._lock:
            self._inside.now = True
            try:
                yield
            finally:
                self._inside.now = was_inside
        self._cancel_put_off()


def _may_have_message(pubsub: Any, seconds: float) -> bool:
    """Wait until something is there to be read; also true where the connection is gone."""
    if not pubsub.subscribed:
        return bool(pubsub.subscribed_event.wait(seconds))
    sock = getattr(pubsub.connection, "_sock", None)
    if sock is None or sock.fileno() < 0:
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(seconds))
