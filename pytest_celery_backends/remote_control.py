"""Whether remote control has changed a worker, or is about to."""

from __future__ import annotations

from typing import Any

from celery.worker.control import Panel

from .hosts import Host


class RemoteControl:
    """The commands to one worker. What one test says of rate limits, queues or its end must not hold for the next."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._node: Any = None
        self._queue = ""
        self._sent_before = self._received = 0
        self._has_changed = False

    def watch(self, node: Any) -> None:
        """Count what comes to a worker's mailbox; after a lost connection it is the same node with a new queue."""
        self._queue = node.mailbox.get_queue(node.hostname).name
        self._sent_before = self._host.commands(self._queue) - self._received
        if node is not self._node:
            self._node = node
            self._handle = node.handle
            node.handle = self._note

    @property
    def changes_worker(self) -> bool:
        """Whether a command has changed the worker, or is on its way: nobody waits for those without an answer."""
        return self._has_changed or self._host.commands(self._queue) - self._sent_before > self._received

    def _note(self, method: str, *args: Any, **kwargs: Any) -> Any:
        meta = Panel.meta.get(method)
        # inspecting a worker changes nothing
        self._has_changed |= meta is None or meta.type == "control"
        self._received += 1
        return self._handle(method, *args, **kwargs)
