"""Which states a task went through, as a test asks for them."""

from __future__ import annotations

from typing import Any

from .. import assertions
from ..assertions.subject import known_task_id
from ..state_patterns import Element
from ..timeline import DEFAULT_TIMEOUT, Observation, Timeline
from .handle import Handle

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


class StateMethods(Handle):
    """Each assertion about a task waits until it has ended, at most *timeout* seconds, woken by the store."""

    def timeline(self, result: Any) -> Timeline:
        """Every store made for a task so far; *result* is an AsyncResult or a task id."""
        return self._lease.recorder.timeline(known_task_id(result, self._lease))

    def wait_for(self, result: Any, state: str, *, timeout: float = DEFAULT_TIMEOUT) -> Observation:
        """Wait until a task reached a state, woken by the store itself; gives what was stored.

        Raises:
            AssertionError: the task ended otherwise, or the store did not keep the state.
            WaitTimeout: the task did neither within *timeout* seconds; tells what it does instead.
        """
        return assertions.states.wait_for(self._lease, self._subject, result, state, timeout)

    def assert_transitions(self, result: Any, *expected: Element, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Assert the states that were stored for a task: all of them, in this order.

        ``...`` stands for anything, ``times("RETRY", 2, 5)`` for repetitions. PENDING is never stored (it is
        what a backend says of ids that it does not know) and may be left out.
        """
        assertions.states.assert_transitions(self._lease, self._subject, result, expected, timeout)

    def assert_never(self, result: Any, *unwanted: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Assert that a task ended without any of these states ever being stored for it."""
        assertions.states.assert_never(self._lease, self._subject, result, unwanted, timeout)

    def assert_retried(self, result: Any, *, times: int, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Assert that a task ended after exactly so many retries."""
        assertions.states.assert_retried(self._lease, self._subject, result, times, timeout)

    def assert_revoked(self, result: Any, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Assert that a task ended as REVOKED, and that the store holds that."""
        assertions.states.assert_revoked(self._lease, self._subject, result, timeout)

    def assert_progress(
        self, result: Any, *, key: str = "done", increasing: bool = True, timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        """Assert that a task stored states of its own, with *key* in its meta, in no attempt below the one before."""
        assertions.progress.assert_progress(self._lease, self._subject, result, key, increasing, timeout)

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
        return assertions.failures.assert_raises_in_task(
            self._lease, self._subject, result, expected, match, timeout
        )

    def assert_same_everywhere(self, result: Any, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Assert that a fresh process, which has only the configuration, reads what the worker stored.

        And that the store holds it, out of band. State and value are compared, with the types of its parts, and
        the traceback that the process reads. What the serializer makes of a value (a tuple is a list in JSON) is the
        same value.

        Raises:
            AssertionError: they differ; shows all three.
            Unsupported: no other process can read this backend's results.
        """
        assertions.agreement.assert_same_everywhere(self._lease, self._subject, result, timeout)

    def assert_group_complete(self, result: Any, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Assert that every member of a group succeeded, and that the store holds each."""
        assertions.groups.assert_group_complete(self._lease, self._subject, result, timeout)

    def assert_chord_ran_once(self, result: Any, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Assert that the body of a chord ended once; *result* is the body's, as calling the chord gives it."""
        assertions.groups.assert_chord_ran_once(self._lease, self._subject, result, timeout)
