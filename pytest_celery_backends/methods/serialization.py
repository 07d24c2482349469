"""What becomes of a value on its way, as a test asks for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from .. import assertions
from ..capabilities import Capability
from ..comparison import SAME
from ..errors import Unavailable, Unsupported
from ..senders import sender
from ..timeline import DEFAULT_TIMEOUT
from .handle import Handle

if TYPE_CHECKING:
    from ..assertions.limits import SizeLimit
    from ..assertions.table import Cell, RoundTripTable
    from ..roads import Via
    from ..trip import RoundTrip

#: Long enough for every method to make less of it.
_LONG: Final = "all work and no play makes Jack a dull boy. " * 100

#: pytest shows the line of the test, not ours.
__tracebackhide__ = True


class SerializationMethods(Handle):
    """Values are sent through real tasks on the worker, one at a time, in a namespace beside the test's own.

    ``serializer`` is a name that kombu knows; None goes by the app's own settings. ``via`` is the road of a value:

    - "result": a task returns it.
    - "argument": a task is given it, by position and by keyword, under ``task_serializer``.
    - "exception": a task raises it; its traceback counts.
    - "meta": a task reports it by ``update_state``.
    - "group": a member of a group returns it.
    - "chord": the tasks of a header return it, and the body is given it.
    - "extended": it is among the arguments that ``result_extended`` stores.
    - "children": a task calls another, which returns it; read through ``AsyncResult.children``.
    - "parent": the first task of a chain returns it; read through ``AsyncResult.parent``.
    """

    def round_trip(
        self,
        value: Any,
        *,
        serializer: str | None = None,
        via: Via = "result",
        task_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> RoundTrip:
        """Send a value through a real task, and give what became of it.

        Arguments:
            task_id: the id of the task, for roads of a single one.
            timeout: how many seconds its tasks may take.

        Raises:
            AssertionError: there is no such serializer or road.
            WaitTimeout: the tasks did not end in time.
        """
        assertions.serialization.check_value(value, via)
        settings = self._settings_for(via, serializer)
        return self._send(value, settings, via, task_id, timeout)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Have the test reported as unsupported where its backend cannot do what is asked."""
        try:
            yield
        except Unsupported as error:
            raise self._lease.unsupported(error) from None

    def _settings_for(self, via: str, serializer: str | None) -> dict[str, Any]:
        with self._noted():
            return assertions.serialization.settings_for(
                self._lease.spec, self._lease.app.conf, via, serializer
            )

    def _send(
        self, value: Any, settings: dict[str, Any], via: Via, task_id: str | None, timeout: float
    ) -> RoundTrip:
        assertions.serialization.check_task_id(task_id, via)
        options = {} if task_id is None else {"task_id": task_id}
        with sender(self._with_settings, settings, via, timeout) as send:
            trip: RoundTrip = send(value, options)
        return trip

    def assert_round_trip(
        self,
        value: Any,
        *,
        serializer: str | None = None,
        comes_back_as: Any = SAME,
        via: Via = "result",
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        """Assert that a value that went through a task comes back the same, in value and in type, in all its parts.

        ``comes_back_as`` is what it should become where a serializer changes it: a tuple is a list in
        JSON. ``==`` is never asked.
        """
        trip = self.round_trip(value, serializer=serializer, via=via, timeout=timeout)
        assertions.serialization.assert_round_trip(trip, self._subject, comes_back_as)

    def assert_compressed(
        self,
        value: Any = _LONG,
        *,
        method: str = "gzip",
        saves: int = 1,
        serializer: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> RoundTrip:
        """Assert that ``result_compression`` takes effect, makes a result *saves* bytes smaller, and reads back.

        Reported as unsupported where Celery stores this backend's results as they are, as before 5.7 on every one.
        """
        with self._noted():
            what = f"result_compression={method!r}"
            assertions.serialization.require(
                self._lease.spec, Capability.COMPRESSION, what, "round_trip(value)"
            )
        settings = self._settings_for("result", serializer)
        trip = self._send(value, {**settings, "result_compression": method}, "result", None, timeout)
        assertions.serialization.assert_compressed(trip, self._subject, method, saves)
        return trip

    def serializer_contract(
        self,
        name: str,
        *,
        examples: int = 50,
        except_for: Collection[str] = (),
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        """Assert that a serializer gives each value back as it was, or refuses it loudly.

        Every value of ``pytest_celery_backends.corpus`` goes through a real task, and so do values that Hypothesis
        makes (``strategies.results(name)``). None may silently become another, be stored and not be read again, or
        be lost; ``dumps`` has to give ``str`` or ``bytes``.

        Arguments:
            name: what it is registered as in kombu.
            examples: how many values Hypothesis makes; with 0 it is not needed.
            except_for: names of values of the corpus that are known to break this.

        Raises:
            AssertionError: all that is broken, in one message.
            NotInstalled: Hypothesis is not there.
        """
        assertions.contract.check_names(except_for)
        settings = self._settings_for("result", name)
        with sender(self._with_settings, settings, "result", timeout) as send:
            assertions.contract.check_contract(send, self._subject, name, examples, except_for)

    def size_limit(
        self, *, up_to: int = 2 * 1024**2, serializer: str | None = None, timeout: float = 30.0
    ) -> SizeLimit:
        """The largest text that comes back from here, of at most *up_to* characters, and what becomes of a longer one.

        Found by halving, in some twenty round trips, each of *timeout* seconds at most.
        """
        settings = self._settings_for("result", serializer)
        with sender(self._with_settings, settings, "result", timeout) as send:
            return assertions.limits.size_limit(send, up_to)

    def round_trip_table(
        self,
        values: Mapping[str, Any],
        serializers: Sequence[str] = ("json", "pickle"),
        backends: Sequence[str] = (),
        *,
        via: Via = "result",
        timeout: float = DEFAULT_TIMEOUT,
    ) -> RoundTripTable:
        """What becomes of each value under each serializer on each backend, as a table to print, or to look at.

        Arguments:
            values: by the names that the table shows.
            backends: names as in the marker, whose servers are the run's; none: this test's own.

        Raises:
            UnknownBackend: there is no such backend.
            Unavailable: one cannot be had here, and the options say that this is a failure; else the table says so.
        """
        found: list[Cell] = []
        for name in backends or [self.name]:
            for serializer in serializers:
                found += self._cells(values, serializer, name, via, timeout)
        return assertions.table.RoundTripTable(cells=tuple(found))

    def _cells(
        self, values: Mapping[str, Any], serializer: str, name: str, via: Via, timeout: float
    ) -> list[Cell]:
        is_own = name == self.name
        spec = self._lease.spec if is_own else self._neighbours.spec(name)
        try:
            settings = assertions.serialization.settings_for(spec, self._lease.app.conf, via, serializer)
            with sender(self._on(name), settings, via, timeout) as send:
                return assertions.table.cells(send, values, serializer, name)
        except Unsupported as error:
            return assertions.table.not_sent(
                values, serializer, name, "unsupported", error.cause.partition(": ")[2]
            )
        except Unavailable as error:
            if not self._neighbours.skips_unavailable(name):
                raise
            return assertions.table.not_sent(values, serializer, name, "unavailable", error.cause)
