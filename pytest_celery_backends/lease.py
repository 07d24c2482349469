"""What a test is handed: its app wired to a namespace of its own, and a worker that is running.

A lease is made once per app, backend and settings, and taken by one test after the other. Between two
tests its store is emptied; a worker that is not idle then is replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final

from celery import signals

from . import broker, namespaced_amqp
from .consumer import STOP_LIMIT
from .decoding import decoder
from .errors import WorkerFailed
from .hosts import host_of
from .process_state import preserved_process_state
from .recorder import Recorder
from .spec import BackendSpec, Namespace, Probe, ProbeContext, Service
from .task_signals import TaskSignals
from .waiting import Waker
from .wiring import Wiring
from .worker import InProcessWorker, JoinGuard
from .worker_log import WorkerLog

#: How long a task may go on after its test has ended, in seconds.
GRACE: Final = 5.0

#: Set for every backend; the test's own settings come on top.
DEFAULTS: Final[Mapping[str, Any]] = {
    # a polled chord looks again after this many seconds; Celery's default is 1.0
    "result_chord_retry_interval": 0.01,
}


def merged(ours: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A test's own settings on top of ours; in a dictionary, ours stay where the test says nothing.

    >>> merged({"options": {"prefix": "a"}}, {"options": {"retries": 1}})
    {'options': {'prefix': 'a', 'retries': 1}}
    """
    together = {**ours, **own}
    for name in ours.keys() & own.keys():
        if isinstance(ours[name], Mapping) and isinstance(own[name], Mapping):
            together[name] = {**ours[name], **own[name]}
    return together


class Lease:
    """One app on one namespace of one service, with its worker."""

    def __init__(
        self,
        app: Any,
        spec: BackendSpec,
        service: Service,
        own_settings: Mapping[str, Any],
        namespace: Namespace,
        guard: JoinGuard,
    ) -> None:
        self.app = app
        self.spec = spec
        self.service = service
        self.own_settings = dict(own_settings)
        self.namespace = namespace
        ours = {
            **DEFAULTS,
            "broker_url": broker.broker_url(namespace.name),
            **spec.settings(service, namespace),  # some backends are the broker's
        }
        self.host = host_of(ours["broker_url"], namespace.name)
        self.settings = merged(ours, own_settings)
        self.recorder = Recorder(app)
        self._signals = TaskSignals(app, self.recorder.note)
        self.log = WorkerLog()
        self.worker: InProcessWorker | None = None
        self.is_spent = False
        self.is_taken = False
        self.turn = 0  #: how often it was taken: which test has it
        self._guard = guard
        self._waker = Waker(self.recorder)
        self._wiring = Wiring(app, self.settings, self._adapt)
        self._probe: Probe | None = None
        self._during = ExitStack()

    # -- one test

    def take(self) -> None:
        """Wire the app, empty the namespace, see that a worker runs."""
        self.is_taken = True
        self.turn += 1
        # the settings were changed by the last test, or since: what was built under them goes
        is_outdated = self._wiring.has_changes
        with ExitStack() as undo:
            undo.callback(setattr, self, "is_taken", False)
            self._enter(undo)
            if is_outdated:
                self.stop_worker()
            self.host.let_go(self._wiring.backends)
            self.probe.empty()
            # what the last test put on a queue that nobody reads
            self.host.empty()
            self.start_worker()
            self._during = undo.pop_all()

    def release(self) -> None:
        """Put everything back; raises WorkerFailed for tasks that went wrong behind the test's back."""
        with self._during:
            self._settle()

    def _enter(self, undo: ExitStack) -> None:
        broker.install()
        namespaced_amqp.install()
        self.recorder.clear()
        undo.enter_context(preserved_process_state(self._guard))
        self._wiring.activate()
        undo.callback(self._wiring.deactivate)
        self._waker.install()
        undo.callback(self._waker.uninstall)
        undo.callback(self.recorder.unwatch)
        for backend in self._wiring.backends:
            self.recorder.watch(backend)
        undo.callback(signals.before_task_publish.disconnect, self._before_publish)
        signals.before_task_publish.connect(self._before_publish, weak=False)
        self._signals.connect()
        undo.callback(self._signals.disconnect)
        # the sender remembers a signal's list of receivers, which Celery replaces when one of them is gone
        self.app.amqp.__dict__.pop("send_task_message", None)
        self.log.open()
        undo.callback(self.log.close_tap)

    @property
    def probe(self) -> Probe:
        """The out-of-band reader of the namespace, which is made at first use."""
        if self._probe is None:
            # kept only once the namespace is there: else the next test would take it for made
            expires = self.app.conf.result_expires
            lifetime = getattr(expires, "total_seconds", lambda: expires)()
            probe = self.spec.probe(
                ProbeContext(
                    service=self.service,
                    namespace=self.namespace,
                    decode=decoder(self.app.conf.result_serializer),
                    lifetime=float(lifetime) if lifetime else None,
                    timezone=self.app.timezone,
                )
            )
            probe.create()
            self._probe = probe
        return self._probe

    def _adapt(self, backend: Any) -> None:
        self.spec.adapt(backend, "worker" if self._guard else "client")
        self._waker.adapt(backend)
        self.recorder.watch(backend)

    def _before_publish(self, headers: Any = None, body: Any = None, declare: Any = (), **_: Any) -> None:
        task_id = (headers or {}).get("id") or (body.get("id") if isinstance(body, dict) else None)
        if task_id:
            self.recorder.published(task_id)
        for queue in declare or ():
            if self.worker is not None:
                self.worker.consume_from(queue)

    # -- the worker

    def start_worker(self) -> InProcessWorker:
        """The worker, started if none is running."""
        if self.worker is None or not self.worker.is_alive:
            conf = self.app.conf
            threads = conf.worker_pool == "threads"
            worker = InProcessWorker(
                self.app,
                pool="threads" if threads else "solo",
                concurrency=(conf.worker_concurrency or 4) if threads else 1,
                guard=self._guard,
                host=self.host,
            )
            worker.launch()
            self.worker = worker
        return self.worker

    def stop_worker(self) -> None:
        """Stop the worker, if any; raises WorkerFailed where a task hangs, and gives the lease up."""
        worker, self.worker = self.worker, None
        if worker is None:
            return
        try:
            # a task that outlived the grace will not end within another one
            worker.shutdown(limit=1.0 if worker.is_busy else STOP_LIMIT)
        except WorkerFailed:
            worker.give_up()
            self.is_spent = True
            raise
        # the queues stay: publishers remember what they have declared
        self.host.empty()

    def _settle(self) -> None:
        worker = self.worker
        if worker is None:
            return
        worker.wait_until(lambda: not worker.is_busy, GRACE)
        failed = self.worker_error()
        worker.ledger.unsupported.clear()
        if not worker.is_pristine:
            self.stop_worker()
        if failed:
            raise failed

    def worker_error(self) -> WorkerFailed | None:
        """The error for tasks that raised what ends a worker process, and for a worker that died; given once."""
        if self.worker is not None and (cause := self.worker.cause_of_death):
            return WorkerFailed(
                f"the in-process worker ended while the test ran: {cause!r}",
                remedy="pytest -x --log-level=DEBUG",
            )
        lost = self.worker.ledger.lost if self.worker else []
        if not lost:
            return None
        told = [str(task) for task in lost]
        lost.clear()
        return WorkerFailed(
            "a task raised what ends a worker process in production",
            tried=[*told, "it was stored as FAILURE with WorkerLostError; the worker goes on"],
            remedy="result_worker.lost.clear()  # in the test, where it is meant to happen",
        )

    def close(self, *, keep: bool = False) -> None:
        """Stop the worker and give everything back: connections, namespace (unless kept), broker."""
        with ExitStack() as undo:
            undo.callback(self.host.drop)
            if self._probe is not None and not keep:
                undo.callback(self._probe.drop)
            undo.callback(self._wiring.close)
            if self.worker is not None:
                undo.enter_context(preserved_process_state(self._guard))
                self._wiring.activate()
                undo.callback(self._wiring.deactivate)
                self.stop_worker()
