"""The handle that a test gets: what backend it runs on, what is stored there, and the assertions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from .assertions import cleanup, expiry, serialization, states
from .assertions.serialization import RoundTrip
from .assertions.subject import Subject, failed, task_id_of
from .capabilities import Capability
from .errors import WaitTimeout
from .lease import Lease
from .leases import Leases
from .masking import SecretUrl, masked, shown_masked
from .pools import LostTask
from .sources import ProviderKind
from .spec import Service, StoredResult
from .timeline import DEFAULT_TIMEOUT, Observation, Timeline

_SAME: Final = object()

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


class ResultService:
    """A read-only view of the server that a test runs on."""

    def __init__(self, service: Service, logs: Any) -> None:
        self._service = service
        self._logs = logs

    @property
    def url(self) -> str:
        """The server's URL, password included; its repr, and so an assertion that fails, masks it."""
        return SecretUrl(self._service.url)

    @property
    def product(self) -> str:
        """What the server says it is: "Valkey" may answer where "redis" was asked for."""
        return self._service.identity.product

    @property
    def version(self) -> str:
        """The version, as the server says."""
        return self._service.identity.version

    @property
    def provider(self) -> ProviderKind:
        """Where it came from: external, container, local or embedded."""
        return self._service.provider

    @property
    def logs(self) -> str:
        """The last lines that the server printed; empty where they cannot be had."""
        return str(self._logs(self._service))

    def __repr__(self) -> str:
        return f"<{self._service} at {masked(self._service.url) or 'this process'}>"


class ResultBackend:
    """The backend of one test. Given by the ``result_backend`` fixture; not to be constructed.

    Assertions wait up to ``timeout`` seconds where there is something to wait for, and never sleep.
    """

    def __init__(self, lease: Lease, leases: Leases, service: ResultService) -> None:
        self._lease = lease
        self._leases = leases
        product = "" if service.product == lease.spec.title else service.product
        self._subject = Subject(backend=lease.spec.name, version=service.version, product=product)
        self.service = service

    @property
    def name(self) -> str:
        """The backend's name, as in the marker."""
        return self._lease.spec.name

    @property
    def version(self) -> str:
        """The server's real version, as it says itself."""
        return self.service.version

    @property
    def provider(self) -> ProviderKind:
        """Where the server came from: external, container, local or embedded."""
        return self.service.provider

    @property
    def url(self) -> str:
        """What ``result_backend`` is set to, namespace and password included; its repr masks the password."""
        return SecretUrl(self._lease.settings["result_backend"])

    @property
    def settings(self) -> Mapping[str, Any]:
        """Every Celery setting that this test has on top of the app's own; reprs mask passwords."""
        return {name: shown_masked(value, name) for name, value in self._lease.settings.items()}

    @property
    def client(self) -> Any:
        """The driver's own client on the test's namespace: a ``redis.Redis``, a connection, a path..."""
        return self._lease.probe.client

    def supports(self, capability: str | Capability) -> bool:
        """Whether the backend is declared to have a capability, such as "chords"."""
        if isinstance(capability, Capability):
            return bool(self._lease.spec.verdict(capability))
        known = {each.label: each for each in Capability}
        label = capability.strip().replace("-", "_").lower()
        if label not in known:
            raise failed(f"no capability is called {capability!r}", [("known", ", ".join(known))])
        return bool(self._lease.spec.verdict(known[label]))

    def stored(self) -> list[StoredResult]:
        """Everything in the test's namespace, read out of band."""
        return list(self._lease.probe.stored())

    def timeline(self, result: Any) -> Timeline:
        """Every store made for a task so far; *result* is an AsyncResult or a task id."""
        return self._lease.recorder.timeline(task_id_of(result))

    def wait_for(self, result: Any, state: str, *, timeout: float = DEFAULT_TIMEOUT) -> Observation:
        """Wait until a task reached a state, woken by the store itself; gives what was stored.

        Raises:
            AssertionError: the task ended otherwise, or the store did not keep the state.
            WaitTimeout: the task did neither within *timeout* seconds; tells what it does instead.
        """
        return states.wait_for(self._lease, self._subject, result, state, timeout)

    def assert_transitions(self, result: Any, *expected: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Assert the states that were stored for a task: all of them, in this order.

        Waits until the task has ended, at most *timeout* seconds. PENDING is never stored (it is what a
        backend says of ids that it does not know) and may be left out.
        """
        states.assert_transitions(self._lease, self._subject, result, expected, timeout)

    def assert_expires(self, result: Any, *, after: float, tolerance: float = 5.0) -> None:
        """Assert that a result goes *after* seconds after it was stored, by the backend's own mechanism.

        Where the server expires results its time to live is read; where ``celery.backend_cleanup``
        removes them, the real cleanup runs on two copies of the record, *tolerance* seconds younger and
        older than *after*. The result itself stays.
        """
        expiry.assert_expires(self._lease, self._subject, result, float(after), tolerance)

    def round_trip(
        self, value: Any, *, serializer: str = "json", timeout: float = DEFAULT_TIMEOUT
    ) -> RoundTrip:
        """Return a value from a real task under a serializer, and give what became of it."""
        return serialization.round_trip(self._with_settings, value, serializer, timeout)

    def assert_round_trip(
        self,
        value: Any,
        *,
        serializer: str = "json",
        comes_back_as: Any = _SAME,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        """Assert that a value returned by a task comes back the same, in value and in type.

        ``comes_back_as`` is what it should become where a serializer changes it: a tuple is a list in
        JSON.
        """
        wanted = value if comes_back_as is _SAME else comes_back_as
        trip = self.round_trip(value, serializer=serializer, timeout=timeout)
        serialization.assert_round_trip(trip, self._subject, wanted)

    def assert_forgotten(self, result: Any) -> None:
        """Assert that nothing is stored for a result; for a group, nothing of its members either."""
        cleanup.assert_forgotten(self._lease, self._subject, result)

    def assert_no_leftovers(self, *, ignore: Sequence[str] = ()) -> None:
        """Assert that the test's namespace is empty; *ignore* names kinds ("chord") or task ids."""
        cleanup.assert_no_leftovers(self._lease, self._subject, ignore)

    @contextmanager
    def _with_settings(self, settings: dict[str, Any]) -> Iterator[Lease]:
        lease = self._lease
        worker = lease.start_worker()
        # the app is rewired meanwhile, for tasks that run as well
        if not worker.wait_until(lambda: not worker.has_work, DEFAULT_TIMEOUT):
            raise WaitTimeout(
                f"a round trip needs the app for itself, and tasks went on for {DEFAULT_TIMEOUT:g} s",
                tried=[f"running: {run}" for run in worker.ledger.running.values()],
                remedy="result_worker.drain(timeout=60)  # before the round trip",
            )
        with self._leases.taken(
            lease.app, lease.spec, lease.service, {**lease.own_settings, **settings}
        ) as inner:
            yield inner

    def __repr__(self) -> str:
        return f"<ResultBackend {self._subject} ({self.provider})>"


class ResultWorker:
    """The in-process worker of one test. Given by the ``result_worker`` fixture."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    def task(self, *args: Any, **options: Any) -> Any:
        """Register a task for the length of the test; used like ``app.task``, with the same options."""
        return self._lease.app.task(*args, **{"shared": False, **options})

    def drain(self, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Wait until every task is done, those with ETA or countdown and retries included.

        Raises WaitTimeout after *timeout* seconds, telling what still runs and waits.
        """
        worker = self._lease.start_worker()
        if worker.wait_until(lambda: worker.is_idle, timeout):
            return
        running = [f"running: {run}" for run in worker.ledger.running.values()]
        waiting = worker.waiting_messages
        raise WaitTimeout(
            f"the worker was not idle within {timeout:g} s",
            tried=[*running, *([f"not done in queues: {', '.join(waiting)}"] if waiting else [])],
            remedy=f"result_worker.drain(timeout={timeout * 2:g})",
            log="\n".join(run.stack() for run in worker.ledger.running.values()),
        )

    @property
    def lost(self) -> list[LostTask]:
        """Tasks that raised SystemExit or the like, and fail the test unless they are cleared from here."""
        return self._lease.start_worker().ledger.lost

    @property
    def hostname(self) -> str:
        """The worker's node name, as remote control knows it."""
        return str(self._lease.start_worker().hostname)

    @property
    def logs(self) -> str:
        """What Celery logged in this test so far, from INFO on."""
        return self._lease.log.text

    def __repr__(self) -> str:
        return f"<ResultWorker of {self._lease.spec.name}>"
