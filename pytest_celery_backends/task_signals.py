"""What Celery's own signals say of tasks, as events on their timelines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from celery import signals, states
from celery.utils.dispatch.signal import NONE_ID, Signal

from .timeline import EAGER, EventKind

if TYPE_CHECKING:
    from .recorder import Recorder


def hear(signal: Signal, receiver: Callable[..., None]) -> None:
    """Listen to a signal.

    Where nobody else does, it is told so at once: else a signal takes a lock and goes through its receivers each time,
    which is most of what it costs. Celery looks a signal's receivers up by ``_live_receivers``; ``connect()`` would
    take its time to see whether this one takes keywords, and is another one.
    """
    with signal.lock:
        signal.receivers.append(((receiver, NONE_ID), receiver))  # whoever the sender
        signal.sender_receivers_cache.clear()
    alone, ask = [receiver], type(signal)._live_receivers

    def live_receivers(sender: Any) -> Any:
        heard = signal.receivers  # a test may have put others in the place of ours
        return alone if len(heard) == 1 and heard[0][1] is receiver else ask(signal, sender)

    signal._live_receivers = live_receivers


def hear_no_more(signal: Signal, receiver: Callable[..., None]) -> None:
    """Listen to a signal no more."""
    signal.__dict__.pop("_live_receivers", None)
    with signal.lock:
        signal.receivers[:] = [each for each in signal.receivers if each[1] is not receiver]
        signal.sender_receivers_cache.clear()


#: Takes the kind of an event, the task's id, its state and what else is to be said.
Note = Callable[[EventKind, str, str, str], None]


class TaskSignals:
    """Listens to one app's tasks; Celery sends these signals from the thread that runs the task.

    Their meaning: https://docs.celeryq.dev/en/stable/userguide/signals.html#task-signals
    """

    def __init__(self, app: Any, note: Note) -> None:
        self._app = app
        self._note = note
        self._heard: tuple[tuple[Signal, Callable[..., None]], ...] = (
            (signals.task_received, self._received),
            (signals.task_prerun, self._prerun),
            (signals.task_retry, self._retry),
            (signals.task_success, self._success),
            (signals.task_failure, self._failure),
            (signals.task_revoked, self._revoked),
            (signals.task_postrun, self._postrun),
        )

    def connect(self) -> None:
        """Listen from now on."""
        for signal, receiver in self._heard:
            hear(signal, receiver)

    def disconnect(self) -> None:
        """Listen no more."""
        for signal, receiver in self._heard:
            hear_no_more(signal, receiver)

    def _received(self, request: Any = None, **_: Any) -> None:
        if request.app is self._app:
            self._note("received", request.id, "", "")

    def _prerun(self, task_id: str = "", task: Any = None, **_: Any) -> None:
        if task.app is self._app:
            self._note("started", task_id, "", EAGER if task.request.is_eager else "")

    def _retry(self, sender: Any = None, request: Any = None, reason: Any = None, **_: Any) -> None:
        if sender.app is self._app:
            self._note("retried", request.id, "", repr(reason))

    def _success(self, sender: Any = None, **_: Any) -> None:
        if sender.app is self._app:
            self._note("succeeded", sender.request.id, "", "")

    def _failure(self, sender: Any = None, task_id: str = "", exception: Any = None, **_: Any) -> None:
        if sender.app is self._app:
            self._note("failed", task_id, "", repr(exception))

    def _revoked(
        self,
        sender: Any = None,
        request: Any = None,
        terminated: bool = False,
        expired: bool = False,
        **_: Any,
    ) -> None:
        if sender.app is self._app:
            why = "expired" if expired else "terminated" if terminated else ""
            self._note("revoked", request.id, "", why)

    def _postrun(self, task_id: str = "", task: Any = None, state: str = "", **_: Any) -> None:
        if task.app is self._app:
            self._note("finished", task_id, state or "", unstored(task, state))


def note_published(recorder: Recorder, headers: Mapping[str, Any], body: Any) -> None:
    """A task is about to be sent: its time zero, its group, and the body of the chord whose header it is in.

    The message: https://docs.celeryq.dev/en/stable/internals/protocol.html#version-2
    """
    task_id = headers.get("id") or (body.get("id") if isinstance(body, dict) else None)
    if not task_id:
        return
    embed = body[2] if isinstance(body, (tuple, list)) and len(body) > 2 else None
    chord = embed.get("chord") if isinstance(embed, dict) else None
    chord_body = (chord.get("options") or {}).get("task_id") if chord else None
    recorder.published(task_id, headers.get("task", ""), headers.get("group"), chord_body)


def unstored(task: Any, state: str) -> str:
    """Why Celery stores no end of the task that runs; empty where it does."""
    if state == states.IGNORED:
        return "it raised Ignore"
    request = task.request
    if request.is_eager and not task.app.conf.task_store_eager_result:
        return EAGER
    return "its result is ignored" if request.ignore_result or task.ignore_result else ""
