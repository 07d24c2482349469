"""Reads results that wait as messages in the reply queues of the in-process broker."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from ..queues import Delivery
from ..sources import Identity
from ..spec import Copied, Held, ProbeContext, StoredResult, Trace
from ..vhost import VirtualHost, drop_virtual_host, virtual_host
from .keys import held_in, state_in


def identify(url: str, limit: float) -> Identity:
    """The broker in this process, in the version of the kombu that talks to it."""
    return Identity(product="In-process broker", version=version("kombu"))


class QueuesProbe:
    """The results in one virtual host; task messages and worker control are none and stay untouched.

    Only the app that sent a task can read its result, from its own reply queue, and only once.
    """

    def __init__(self, context: ProbeContext) -> None:
        self._context = context
        self._name = context.namespace.name

    @property
    def client(self) -> VirtualHost:
        """The virtual host."""
        return virtual_host(self._name)

    def create(self) -> None:
        """Make the virtual host."""
        virtual_host(self._name)

    def empty(self) -> None:
        """Remove all results, also those that a consumer holds without having acknowledged them."""
        self.client.discard(lambda delivery: _task_of(delivery) != "")

    def drop(self) -> None:
        """Remove the virtual host with everything in it."""
        drop_virtual_host(self._name)

    def stored(self) -> Sequence[StoredResult]:
        """Every result, by queue and in order; it expires when its whole queue does."""
        return [self._result(delivery) for delivery in self.client.messages() if _task_of(delivery)]

    def traces(self) -> Sequence[Trace]:
        """The reply queues that nobody reads and that have no limit: they stay for ever."""
        return [
            Trace(kind="queue", name=name)
            for name, queue in sorted(self.client.queues.items())
            if queue.auto_delete and "x-expires" not in queue.arguments and not queue.consumers
        ]

    def idle_limit(self, queue: str) -> float | None:
        """For how many seconds a queue may be idle, None where it has no limit."""
        known = self.client.queues.get(queue)
        limit = known.arguments.get("x-expires") if known else None
        return None if limit is None else float(limit) / 1000

    def held(self, task_id: str) -> Held | None:
        """The body of the latest message for a task, None where none waits."""
        bodies = [_body(held) for held in self.client.messages() if _task_of(held) == task_id]
        return held_in(bodies[-1] if bodies else None, self._context.decode)

    def aged_copy(self, task_id: str, seconds: float, kind: Copied = "task") -> str:
        """Not possible: the broker counts for how long a queue is idle, not how old a message is."""
        raise NotImplementedError("a reply queue expires as a whole once it is idle; a message has no age")

    def advance(self, seconds: float) -> None:
        """Let every queue be idle for *seconds* more; one that somebody reads from is not idle."""
        self.client.advance(seconds)

    def remove(self, task_id: str, kind: Copied = "task") -> None:
        """Remove a task's messages; nothing happens where there are none."""
        self.client.discard(lambda delivery: _task_of(delivery) == task_id)

    def _result(self, delivery: Delivery) -> StoredResult:
        raw = _body(delivery)
        return StoredResult(
            task_id=_task_of(delivery),
            kind="message",
            state=state_in(raw, self._context.decode),
            raw=raw,
            size=len(raw),
            expires_in=self.client.idle_left(delivery.queue),
            key=delivery.queue,
        )


def replies(sent: Iterable[Delivery], task_id: str) -> list[bytes]:
    """The bodies of the results of a task among what was sent, also of those that were read already."""
    return [_body(delivery) for delivery in list(sent) if _task_of(delivery) == task_id]


def _content(delivery: Delivery) -> Mapping[str, Any]:
    """The message as kombu's virtual transports write it, as a dictionary or as JSON."""
    message = delivery.message
    content = json.loads(message) if isinstance(message, str | bytes) else message
    return content if isinstance(content, Mapping) else {}


def _task_of(delivery: Delivery) -> str:
    """The task whose result a message is; empty for a task's own message and a worker's control reply.

    Results carry the task's id as their correlation id, and unlike tasks no header that names a task
    (https://docs.celeryq.dev/en/stable/internals/protocol.html).
    """
    content = _content(delivery)
    headers = content.get("headers") or {}
    if "task" in headers or "ticket" in headers:
        return ""
    return str(content.get("properties", {}).get("correlation_id") or "")


def _body(delivery: Delivery) -> bytes:
    content = _content(delivery)
    body = content.get("body") or b""
    if content.get("properties", {}).get("body_encoding") == "base64":
        return base64.b64decode(body)
    return body if isinstance(body, bytes) else str(body).encode()
