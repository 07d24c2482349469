"""Results as messages: what the rpc backend asks of a broker, as kombu sends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..class_patches import ClassPatches
from ..round_trips import Log, Target
from .connections import watch_connections


@contextmanager
def watching(target: Target, log: Log) -> Iterator[None]:
    """See results that are sent, what is done to reply queues, and connections; task messages are none of it."""
    from kombu import Connection, Consumer, Producer, Queue

    publish, consume, cancel = Producer.publish, Consumer.consume, Consumer.cancel_by_queue
    patches = ClassPatches()

    def observed_publish(producer: Any, body: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("correlation_id") and "task" not in (kwargs.get("headers") or {}):
            log.command(f"basic.publish {kwargs.get('routing_key') or ''}".strip())
        return publish(producer, body, *args, **kwargs)

    def observed_consume(consumer: Any, *args: Any, **kwargs: Any) -> Any:
        before = set(consumer._active_tags)
        answer = consume(consumer, *args, **kwargs)
        for name in consumer._active_tags:
            if name not in before and _is_reply_queue(target.app, name):
                log.command(f"basic.consume {name}")
        return answer

    def observed_cancel(consumer: Any, queue: Any) -> Any:
        if _is_reply_queue(target.app, str(queue)):
            log.command(f"basic.cancel {queue}")
        return cancel(consumer, queue)

    def observed(name: str, shown: str) -> Callable[..., Any]:
        original = getattr(Queue, name)

        def ask(queue: Any, *args: Any, **kwargs: Any) -> Any:
            if _is_reply_queue(target.app, queue.name):
                log.command(f"{shown} {queue.name}")
            return original(queue, *args, **kwargs)

        return ask

    try:
        patches.replace(Producer, "publish", observed_publish)
        patches.replace(Consumer, "consume", observed_consume)
        patches.replace(Consumer, "cancel_by_queue", observed_cancel)
        for name, shown in (
            ("queue_declare", "queue.declare"),
            ("get", "basic.get"),
            ("purge", "queue.purge"),
            ("delete", "queue.delete"),
        ):
            patches.replace(Queue, name, observed(name, shown))
        _watch_connections(patches, Connection, target, log)
        yield
    finally:
        patches.put_back()


def _watch_connections(patches: ClassPatches, kind: type, target: Target, log: Log) -> None:
    """Those of the app to its broker, which tasks and results share."""
    ours = target.app.connection_for_write().as_uri(include_password=True)
    watch_connections(
        patches,
        kind,
        log,
        lambda connection: connection.as_uri(include_password=True) == ours,
        lambda connection: str(connection.as_uri()),
        opens="_establish_connection",
        closes=("_do_close_self", "collect"),
    )


def _is_reply_queue(app: Any, name: str) -> bool:
    """A thread's own queue for results: ``app.thread_oid``; ``app.oid`` where there is one for the process."""
    return name in (app.oid, app.thread_oid)
