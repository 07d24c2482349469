"""Keeps a Redis result consumer from waiting for itself when results are collected as garbage."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .celery_release import celery_release

if TYPE_CHECKING:
    from .spec import Side


class _Calls(threading.local):
    """What one thread is doing with the subscriptions, and what it has put off."""

    def __init__(self) -> None:
        self.is_inside = False
        self.put_off: list[str] = []


def put_off_nested_cancels(backend: Any, side: Side) -> None:
    """Let a subscription be cancelled after the call during which that was asked for.

    ``AsyncResult.__del__`` unsubscribes, and the garbage collector runs it anywhere, also while the same
    thread subscribes to another result and holds the lock of the connection: the thread then waits for
    itself for ever (https://github.com/celery/celery/issues/10477; Celery 5.7 has a remedy of its own).
    """
    if celery_release() >= (5, 7):
        return
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
