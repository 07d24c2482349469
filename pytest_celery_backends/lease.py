"""What a test is handed: its app wired to a namespace of its own, and a worker that is running.

A lease is made once per app, backend and settings, and taken by one test after the other. Between two
tests its store is emptied; a worker that is not idle then is replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final, cast

from . import broker, namespaced_amqp
from .capabilities import Capability
from .commands import UnseenProbe
from .consumer import STOP_LIMIT
from .decoding import decoder
from .errors import Unsupported, WorkerFailed
from .footprint import Footprint
from .hosts import host_of
from .lease_settings import with_defaults
from .observing import Observing
from .process_state import preserved_process_state
from .questions import Questions
from .recorder import Recorder
from .round_trips import Target
from .spec import BackendSpec, Namespace, Probe, ProbeContext, Service
from .waiting import Waker
from .wiring import Wiring
from .worker import InProcessWorker, JoinGuard
from .worker_errors import worker_error
from .worker_log import WorkerLog

#: How long a task may go on after its test has ended, in seconds.
GRACE: Final = 5.0


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
            "broker_url": broker.broker_url(namespace.name),
            **spec.settings(service, namespace),  # some backends are the broker's
        }
        self.host = host_of(ours["broker_url"], namespace.name)
        self.settings = with_defaults(ours, own_settings, spec.name)
        self._questions = Questions(lambda: self.probe, self.decode)
        self.recorder = Recorder(app, self._questions if spec.verdict(Capability.REREAD) else None)
        self.observing = Observing(self.recorder, lambda: self.backends, self._consume)
        self.log = WorkerLog()
        self.footprint: Footprint | None = None
        self.worker: InProcessWorker | None = None
        self.is_spent = False
        self.is_taken = False
        self.taken_as = 0  #: the number of its last take among those of all leases
        self.lacks: list[str] = []  #: what this test asked for and the backend cannot do
        self.turn = 0  #: how often it was taken: which test has it
        self._guard = guard
        self._waker = Waker(self.recorder)
        self._wiring = Wiring(app, self.settings, self._adapt)
        self._probe: Probe | None = None
        self._serializer = "json"
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
            self.host.let_go(self.backends)
            self.probe.empty()
            # what the last test put on a queue that nobody reads
            self.host.empty()
            self.start_worker()
            self.footprint = Footprint(self.service.url)
            self._during = undo.pop_all()

    def release(self) -> None:
        """Put everything back; raises WorkerFailed for tasks that went wrong behind the test's back."""
        with self._during:
            self._settle()

    def _enter(self, undo: ExitStack) -> None:
        broker.install()
        namespaced_amqp.install()
        self.recorder.clear()
        self.lacks.clear()
        undo.enter_context(preserved_process_state(self._guard))
        self._wiring.activate()
        undo.callback(self._wiring.deactivate)
        self._waker.install()
        undo.callback(self._waker.uninstall)
        undo.callback(self.observing.end)
        self.observing.begin()
        self.log.open()
        undo.callback(self.log.close_tap)

    def unsupported(self, error: Unsupported) -> Unsupported:
        """Note what the backend cannot do, so that the test is reported as that; gives what is to be raised."""
        self.lacks.append(error.cause)
        return error

    @property
    def probe(self) -> Probe:
        """The out-of-band reader of the namespace, which is made at first use."""
        if self._probe is None:
            self._serializer = self.app.conf.result_serializer
            # kept only once the namespace is there: else the next test would take it for made
            expires = self.app.conf.result_expires
            lifetime = getattr(expires, "total_seconds", lambda: expires)()
            probe = self.spec.probe(
                ProbeContext(
                    service=self.service,
                    namespace=self.namespace,
                    decode=self.decode,
                    lifetime=float(lifetime) if lifetime else None,
                    timezone=self.app.timezone,
                )
            )
            probe.create()
            self._probe = cast(Probe, UnseenProbe(probe))
        return self._probe

    @property
    def backends(self) -> tuple[Any, ...]:
        """Every backend object of the app here: each thread has its own."""
        return self._wiring.backends

    @property
    def target(self) -> Target:
        """Whose round trips may be recorded."""
        return Target(app=self.app, service=self.service, namespace=self.namespace, settings=self.settings)

    def decode(self, raw: bytes) -> Any:
        """What a test's results decode to; a test may change the serializer, and a backend remember the old one."""
        serializers = dict.fromkeys((self.app.conf.result_serializer, self._serializer))
        return decoder(*serializers)(raw)

    def held_state(self, task_id: str) -> str:
        """The state that the store holds for a task, read out of band; empty where it holds nothing."""
        return self._questions.held(task_id)

    def _adapt(self, backend: Any) -> None:
        self.spec.adapt(backend, "worker" if self._guard else "client")
        self._waker.adapt(backend)
        self.recorder.watch(backend)

    def _consume(self, queue: Any) -> None:
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
        return None if self.worker is None else worker_error(self.worker)

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
