"""Keeps a Redis result consumer from missing results, and from waiting for itself when they are collected."""

from __future__ import annotations

import functools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from .celery_release import celery_release

if TYPE_CHECKING:
    from .spec import Side


#: Seconds for a server to confirm a subscription; it goes on as in production then.
LIMIT: Final = 1.0


class _Calls(threading.local):
    """What one thread is doing with the subscriptions, and what it has put off."""

    def __init__(self) -> None:
        self.is_inside = False
        self.put_off: list[str] = []


def mend_pubsub(backend: Any, side: Side) -> None:
    """Let a client hear of every result, and collect results whenever it likes."""
    if side == "client":
        client = backend.client
        client.pubsub = functools.partial(_confirmed, client.pubsub)
    if celery_release() < (5, 7):  # which has a remedy of its own
        put_off_nested_cancels(backend)


def _confirmed(make: Callable[..., Any], **options: Any) -> Any:
    """A connection for messages whose ``subscribe`` returns once the server has done so.

    Celery sends SUBSCRIBE and looks for the result over another connection, at once. A server that reads these
    the other way round tells neither of them of a result that is stored in between, and ``get()`` then waits for
    its whole timeout. In production that takes a task of less than a millisecond; here tasks are that short.
    """
    pubsub = make(**options)
    subscribe, get_message = pubsub.subscribe, pubsub.get_message
    early: deque[Any] = deque()

    def subscribe_and_wait(*channels: Any, **handlers: Any) -> Any:
        result = subscribe(*channels, **handlers)
        left, until = len(channels) + len(handlers), time.monotonic() + LIMIT
        while left and (timeout := until - time.monotonic()) > 0:
            response = pubsub.parse_response(block=False, timeout=timeout)
            is_confirmation = bool(response) and response[0] in (b"subscribe", "subscribe")
            left -= is_confirmation
            message = pubsub.handle_message(response)
            if message is not None and not is_confirmation:
                early.append(message)
        return result

    def next_message(*args: Any, **kwargs: Any) -> Any:
        return early.popleft() if early else get_message(*args, **kwargs)

    pubsub.subscribe, pubsub.get_message = subscribe_and_wait, next_message
    return pubsub


def put_off_nested_cancels(backend: Any) -> None:
    """Let a subscription be cancelled after the call during which that was asked for.

    ``AsyncResult.__del__`` unsubscribes, and the garbage collector runs it anywhere, also while the same
    thread subscribes to another result and holds the lock of the connection: the thread then waits for
    itself for ever (https://github.com/celery/celery/issues/10477).
    """
    consumer, calls = backend.result_consumer, _Calls()
    cancel_for = consumer.cancel_for

    def alone(call: Callable[[str], None], task_id: str) -> None:
        calls.is_inside = True
        try:
            call(task_id)
            while calls.put_off:
                cancel_for(calls.put_off.pop())
        finally:
            calls.is_inside = False

    def cancel_alone(task_id: str) -> None:
        if calls.is_inside:
            calls.put_off.append(task_id)
        else:
            alone(cancel_for, task_id)

    consumer.cancel_for = cancel_alone
    consumer.consume_from = functools.partial(alone, consumer.consume_from)
