"""What is left of a result later, as a test asks for it: once time has passed, or it was forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from .. import assertions, clock
from ..timeline import DEFAULT_TIMEOUT
from .handle import Handle

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


class ExpiryMethods(Handle):
    """Nothing here waits for time to pass, but for ``advance(really=True)``."""

    def advance(self, period: float | timedelta, *, really: bool = False) -> None:
        """Let *period* (seconds or a ``timedelta``) pass for all that is stored here: what expires by then goes.

        Times to live are shortened and dates put back; no clock is moved. Where a server goes by its own clock
        alone the test is reported as unsupported; *really* waits instead, half a minute at most.
        """
        clock.advance(self._lease, period, really)

    def assert_expires(self, result: Any, *, after: float | timedelta, tolerance: float = 5.0) -> None:
        """Assert that a result goes *after* seconds after it was stored, by the backend's own mechanism.

        Two copies of the record are made, *tolerance* seconds younger and older than *after*: the server has to
        drop one of them by its time to live, or ``celery.backend_cleanup`` to remove it, and the other has to
        stay. Of a result that is a message the reply queue's ``x-expires`` is compared. The result itself stays;
        other results of the test whose time is over go with that cleanup.

        *result* is an AsyncResult or a task id, whose end is waited for; a GroupResult: its own record and those of
        its members; or an entry of ``stored()``, as of a chord's counter, or of a task that runs.
        """
        assertions.expiry.assert_expires(self._lease, self._subject, result, after, tolerance)

    def assert_never_expires(self, result: Any) -> None:
        """Assert that nothing ever removes a result: no time to live, and cleanup keeps a copy that is decades old.

        Where cleanup fails the result stays; that is an error only where the app's beat would run cleanup.
        """
        assertions.expiry.assert_never_expires(self._lease, self._subject, result)

    def expires_in(self, result: Any) -> float | None:
        """The seconds until a result goes, None where nothing removes it; of a group, until the first part goes.

        A message goes with its queue, and that does not go while somebody listens to it: None then as well.
        """
        return assertions.expiry.expires_in(self._lease, self._subject, result)

    def assert_nothing_outlives(self, period: float | timedelta, *, ignore: Sequence[str] = ()) -> None:
        """Assert that everything in the test's namespace goes within a period; *ignore* names kinds or task ids.

        Keys without a time to live, queues without a limit and files that no cleanup looks at are listed.
        """
        assertions.expiry.assert_nothing_outlives(self._lease, self._subject, period, ignore)

    def run_cleanup(self, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Run the real ``celery.backend_cleanup`` task on the worker, and wait until it is done.

        Its own result is removed, so that nothing but what cleanup left is in the store.
        """
        assertions.cleanup.run_cleanup(self._lease, self._subject, timeout)

    def assert_cleaned_up(self, *, expired: Sequence[Any] = (), kept: Sequence[Any] = ()) -> None:
        """Assert which results are gone and which are still stored; all of them were stored in this test."""
        assertions.cleanup.assert_cleaned_up(self._lease, self._subject, expired, kept)

    def assert_forgotten(self, result: Any) -> None:
        """Assert that nothing is stored for a result any more: of a group, nothing of its members either; of a chain,
        nothing of the steps before, as far as this object knows them (``result.parent``).

        What a task has called is not forgotten with it (https://docs.celeryq.dev/en/stable/reference/celery.result.html).
        """
        assertions.cleanup.assert_forgotten(self._lease, self._subject, result)

    def assert_no_leftovers(self, *, ignore: Sequence[str] = ()) -> None:
        """Assert that the test left nothing: results, groups, messages, files, subscriptions, tables, threads...

        *ignore* names kinds ("chord", "subscription") or task ids.
        """
        lease = self._lease
        # leases of round trips keep connections as well
        backends = self._leases.backends(lease.service, self._take)
        assertions.cleanup.assert_no_leftovers(lease, self._subject, ignore, backends)
