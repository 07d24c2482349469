"""The handle that a test gets: what backend it runs on, what is stored there, and the assertions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from .assertions import cleanup, expiry, failures, groups, serialization, states
from .assertions.serialization import RoundTrip
from .assertions.subject import Subject, failed, task_id_of
from .capabilities import Capability
from .errors import WaitTimeout
from .lease import Lease
from .leases import Leases
from .masking import SecretUrl, shown_masked
from .result_service import ResultService
from .sources import ProviderKind
from .spec import StoredResult
from .state_patterns import Element
from .timeline import DEFAULT_TIMEOUT, Observation, Timeline

_SAME: Final = object()

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


class ResultBackend:
    """The backend of one test. Given by the ``result_backend`` fixture; not to be constructed.

    Assertions wait up to ``timeout`` seconds where there is something to wait for, and never sleep.
    """

    def __init__(self, lease: Lease, leases: Leases, service: ResultService) -> None:
        self._given = lease
        self._turn = lease.turn
        self._leases = leases
        product = "" if service.product == lease.spec.title else service.product
        self._subject = Subject(backend=lease.spec.name, version=service.version, product=product)
        self.service = service

    @property
    def _lease(self) -> Lease:
        if self._given.turn != self._turn or not self._given.is_taken:
            raise failed(
                "result_backend was used after its test",
                [("by then", "the store was emptied, and the app is wired to production again")],
            )
        return self._given

    @property
    def name(self) -> str:
        """The backend's name, as in the marker."""
        return self._given.spec.name

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
        return SecretUrl(self._given.settings["result_backend"])

    @property
    def settings(self) -> Mapping[str, Any]:
        """Every Celery setting that this test has on top of the app's own; reprs mask passwords."""
        return {name: shown_masked(value, name) for name, value in self._given.settings.items()}

    @property
    def client(self) -> Any:
        """The driver's own client on the test's namespace: a ``redis.Redis``, a connection, a path..."""
        return self._lease.probe.client

    def supports(self, capability: str | Capability) -> bool:
        """Whether the backend is declared to have a capability, such as "chords"."""
        if isinstance(capability, Capability):
            return bool(self._given.spec.verdict(capability))
        known = {each.label: each for each in Capability}
        label = capability.strip().replace("-", "_").lower()
        if label not in known:
            raise failed(f"no capability is called {capability!r}", [("known", ", ".join(known))])
        return bool(self._given.spec.verdict(known[label]))

    def stored(self) -> list[StoredResult]:
        """Everything in the test's namespace, read out of band."""
        return list(self._lease.probe.stored())

    def timeline(self, result: Any) -> Timeline:
        """Every store made for a task so far; *result* is an AsyncResult or a task id."""
        return self._lease.recorder.timeline(task_id_of(result, self._lease))

    def wait_for(self, result: Any, state: str, *, timeout: float = DEFAULT_TIMEOUT) -> Observation:
        """Wait until a task reached a state, woken by the store itself; gives what was stored.

        Raises:
            AssertionError: the task ended otherwise, or the store did not keep the state.
            WaitTimeout: the task did neither within *timeout* seconds; tells what it does instead.
        """
        return states.wait_for(self._lease, self._subject, result, state, timeout)

    # Each assertion about a task waits until it has ended, at most *timeout* seconds, woken by the store.

    def assert_transitions(self, result: Any, *expected: Element, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Assert the states that were stored for a task: all of them, in this order.

        ``...`` stands for anything, ``times("RETRY", 2, 5)`` for repetitions. PENDING is never stored (it is
        what a backend says of ids that it does not know) and may be left out.
        """
        states.assert_transitions(self._lease, self._subject, result, expected, timeout)

    def assert_never(self, result: Any, *unwanted: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Assert that a task ended without any of these states ever being stored for it."""
        states.assert_never(self._lease, self._subject, result, unwanted, timeout)

    def assert_retried(self, result: Any, *, times: int, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Assert that a task ended after exactly so many retries."""
        states.assert_retried(self._lease, self._subject, result, times, timeout)

    def assert_revoked(self, result: Any, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Assert that a task ended as REVOKED, and that the store holds that."""
        states.assert_revoked(self._lease, self._subject, result, timeout)

    def assert_progress(
        self, result: Any, *, key: str = "done", increasing: bool = True, timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        """Assert that a task stored states of its own, each with *key* in its meta and none below the one before."""
        states.assert_progress(self._lease, self._subject, result, key, increasing, timeout)

    def assert_raises_in_task(
        self,
        result: Any,
        expected: type[BaseException],
        *,
        match: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> BaseException:
        """Assert that a task failed with an exception which comes back as it was raised; gives it.

        Its type, its arguments, *match* in its text as ``re.search`` finds it, and its name in the traceback. A
        serializer that cannot carry the type makes up another of the same name, which is not accepted.
        """
        return failures.assert_raises_in_task(self._lease, self._subject, result, expected, match, timeout)

    def assert_group_complete(self, result: Any, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Assert that every member of a group succeeded, and that the store holds each."""
        groups.assert_group_complete(self._lease, self._subject, result, timeout)

    def assert_chord_ran_once(self, result: Any, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Assert that the body of a chord ended once; *result* is the body's, as calling the chord gives it."""
        groups.assert_chord_ran_once(self._lease, self._subject, result, timeout)

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
