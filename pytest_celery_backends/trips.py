"""Sends values along a road, one after the other on one lease, and tells what became of each."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from billiard.exceptions import WorkerLostError
from celery import signals, states
from celery.exceptions import TimeoutError as GaveUp

from . import activity
from .capabilities import Capability
from .comparison import difference
from .errors import BackendsError, WaitTimeout
from .lease import Lease
from .roads import PROGRESS, ROADS, Cargo, Road, Sent, registered_tasks
from .trip import Outcome, RoundTrip, Stored, named

#: The task that asks whether a chord's header has ended, and how often it may once it has.
UNLOCK: Final = "celery.chord_unlock"
UNLOCKS: Final = 5

#: What Celery puts before the errors of a store that it could not even report.
_OUTSIDE: Final = "Exception raised outside body"


class Trips:
    """Sends values along one road of a lease that is taken.

    Arguments:
        timeout: how many seconds the tasks of one value may take.
    """

    def __init__(self, lease: Lease, via: str, timeout: float) -> None:
        self._lease = lease
        self._via = via
        self._road: Road = ROADS[via]
        self._timeout = timeout
        self._cargo = Cargo()
        self._tasks = registered_tasks(lease.app, self._cargo)
        self._messages: dict[str, Any] = {}
        self._header: list[str] = []
        self._unlocks = 0
        self._worker = lease.start_worker()

    @property
    def is_spent(self) -> bool:
        """Whether another lease is needed for the next value."""
        return self._lease.is_spent

    @property
    def serializer(self) -> str:
        """The one in force on this road."""
        conf = self._lease.app.conf
        return str(conf.result_serializer if "results" in self._road.parts else conf.task_serializer)

    @contextmanager
    def _observed(self) -> Iterator[None]:
        def receive(request: Any = None, **_: Any) -> None:
            if request.app is self._lease.app:
                self._messages[request.id] = request._message

        def retry(sender: Any = None, **_: Any) -> None:
            is_due = self._header and self._lease.recorder.all_ready_since(self._header, 0)
            self._unlocks += sender.name == UNLOCK and bool(is_due)

        signals.task_received.connect(receive, weak=False)
        signals.task_retry.connect(retry, weak=False)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", _OUTSIDE, RuntimeWarning)
                yield
        finally:
            signals.task_retry.disconnect(retry)
            signals.task_received.disconnect(receive)

    def send(self, value: Any, options: Mapping[str, Any] | None = None) -> RoundTrip:
        """Send a value and see what becomes of it; *options* are those of ``apply_async``.

        Raises:
            WaitTimeout: the tasks did not end in time.
        """
        self._cargo.load(value)
        self._worker = self._lease.start_worker()
        self._messages.clear()
        self._worker.consumer.unread.clear()
        self._header, self._unlocks = [], 0
        with self._observed():
            try:
                sent = self._road.send(self._tasks, self._cargo, options or {})
            except BackendsError:
                raise
            except Exception as error:  # what a serializer, or the repr of a value, raises
                return self._told(value, Stored(), rejected_at="publish", error=named(error))
            if self._via == "chord":
                self._header = [one.id for one in sent.result.parent.results]
            self._wait()
            carrier = sent.carrier or next(iter(self._cargo.called), sent.result)
            return self._found(value, Sent(result=sent.result, carrier=carrier))

    @property
    def _is_stuck(self) -> bool:
        """Whether a chord's header has ended, and Celery goes on asking whether it has.

        So it does on backends where a task asks (``celery.chord_unlock``), when what it asks for cannot be read.
        """
        return self._unlocks >= UNLOCKS

    def _wait(self) -> None:
        worker = self._worker
        if not worker.wait_until(
            lambda: worker.is_idle or self._is_stuck or not worker.is_alive, self._timeout
        ):
            raise WaitTimeout(
                f"a round trip via {self._via!r} did not end within {self._timeout:g} s",
                tried=activity.described(worker),
                log=activity.stacks(worker),
                remedy=f"result_backend.round_trip(value, timeout={self._timeout * 2:g})",
            )
        # an error that cannot be stored leaves the pool, and ends some workers; it is told as what became of the value
        worker.ledger.lost.clear()
        if not worker.is_alive:
            self._lease.is_spent, self._lease.worker = True, None

    def _found(self, value: Any, sent: Sent) -> RoundTrip:
        refused = self._unread(sent) or self._not_stored(sent.carrier.id)
        # what is stored instead, an error's long traceback, says nothing of the value, and takes YAML a second to read
        stored = Stored() if refused and self._road.state else self._stored(sent.carrier.id)
        refused = refused or self._not_kept(stored)
        if refused:
            return self._told(value, stored, **refused)
        try:
            if self._road.delivers and not self._cargo.received:
                return self._told(value, stored, rejected_at="worker", **self._undelivered(sent))
            came_back = self._road.read(self._cargo, sent, self._timeout)
            state, traceback = sent.carrier.state, sent.carrier.traceback or ""
        except GaveUp:
            return self._told(value, stored, rejected_at="store", is_lost=True, error="no reader finds it")
        except Exception as error:  # a decoder's, which are plugins
            # what reads for a redis client may be in pieces by then, and trip over the next result
            self._lease.is_spent = True
            return self._told(value, stored, rejected_at="read", error=named(error))
        if state in states.EXCEPTION_STATES and self._road.state != state:
            return self._told(value, stored, rejected_at="worker", error=named(came_back))
        parts = difference(value, came_back) or self._in_traceback(value, traceback)
        return self._told(value, stored, difference=parts, came_back=came_back, traceback=traceback)

    def _stored(self, task_id: str) -> Stored:
        """What there is of the task that carries the value, out of band, before anybody reads it."""
        if not self._road.state:
            return self._message(task_id)
        lease = self._lease
        held = lease.probe.held(task_id)
        is_own = bool(lease.spec.verdict(Capability.SERIALIZERS))
        return Stored(
            state=held.state if held else "",
            raw=bytes(held.raw) if held else b"",
            content_type=str(lease.app.backend.content_type) if is_own else "",
            content_encoding=str(lease.app.backend.content_encoding) if is_own else "",
        )

    def _message(self, task_id: str) -> Stored:
        unread = self._worker.consumer.unread.get(task_id)
        message = unread[0] if unread else self._messages.get(task_id)
        if message is None:
            return Stored()
        raw = message.body
        return Stored(
            raw=raw.encode(errors="surrogatepass") if isinstance(raw, str) else bytes(raw),
            content_type=message.content_type or "",
            content_encoding=message.content_encoding or "",
            compression=str((message.headers or {}).get("compression") or ""),
        )

    def _undelivered(self, sent: Sent) -> dict[str, Any]:
        """Why the task that was to be given the value was not: what it failed with, or what those met who asked."""
        has_failed = self._lease.recorder.all_ready_since([sent.result.id], 0)
        self._lease.is_spent |= self._is_stuck  # it asks until its worker ends
        try:
            met = (sent.result if has_failed else sent.carrier).get(timeout=self._timeout, propagate=False)
        except Exception as error:  # a decoder's, which are plugins
            self._lease.is_spent = True
            return {"error": named(error), "is_lost": not has_failed}
        return {"error": named(met)} if has_failed else {"error": "no task is given it", "is_lost": True}

    def _unread(self, sent: Sent) -> dict[str, Any]:
        """Where the worker could not read a message, which it then drops."""
        unread = self._worker.consumer.unread
        error = next((unread[one.id][1] for one in (sent.carrier, sent.result) if one.id in unread), None)
        return {} if error is None else {"rejected_at": "worker", "error": named(error), "is_lost": True}

    def _not_stored(self, task_id: str) -> dict[str, Any]:
        """Where the worker could not store what it should."""
        timeline = self._lease.recorder.timeline(task_id)
        failed = next((seen for seen in timeline if seen.error), None)
        kept = [
            seen for seen in timeline if not seen.error and seen.state in (*states.READY_STATES, PROGRESS)
        ]
        if kept and failed is None:
            return {}
        # a lost worker is what the pool makes of an error that leaves it; the error itself says more
        failures = [
            seen.value
            for seen in kept
            if isinstance(seen.value, Exception) and not isinstance(seen.value, WorkerLostError)
        ]
        error = named(failures[-1]) if failures else failed.error if failed else "no task stored it"
        where = "worker" if failed and failed.error.startswith("EncodeError") else "store"
        return {"rejected_at": where, "error": error, "is_lost": not kept}

    def _not_kept(self, stored: Stored) -> dict[str, Any]:
        """Where the store says that it has the value, and has not."""
        if not self._road.state or stored.state is None or not self._lease.spec.verdict(Capability.REREAD):
            return {}
        if stored.state not in ({"", *states.ALL_STATES} - {self._road.state, states.FAILURE}):
            return {}
        error = f"the store holds {stored.state or 'nothing'} after the worker stored {self._road.state}"
        return {"rejected_at": "store", "error": error, "is_lost": True}

    def _in_traceback(self, value: Any, traceback: str) -> str:
        """What is wrong with the text of an exception's traceback; empty where nothing is, or no road for one."""
        if self._road.state != states.FAILURE or type(value).__name__ in traceback:
            return ""
        return f".__traceback__: {'the text of another' if traceback else 'nothing'} is stored for it"

    def _told(self, value: Any, stored: Stored, **found: Any) -> RoundTrip:
        outcome: Outcome = (
            "rejected" if found.get("rejected_at") else "changed" if found.get("difference") else "same"
        )
        return RoundTrip(
            value=value,
            via=self._via,
            serializer=self.serializer,
            outcome=outcome,
            **stored.fields(),
            **found,
        )
