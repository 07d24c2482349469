"""The tasks that checks share; each is registered with the app under test when a check first asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event
from typing import Any, Final

from celery import group
from celery.exceptions import Ignore
from celery.result import AsyncResult

from .. import ResultWorker
from .limits import LIMIT


def add(x: Any, y: Any) -> Any:
    """The sum."""
    return x + y


def echo(value: Any) -> Any:
    """What it is given."""
    return value


def total(numbers: list[int]) -> int:
    """The sum of many."""
    return sum(numbers)


def refuse(message: str = "boom") -> None:
    """Fails with a ValueError."""
    raise ValueError(message)


def progress(self: Any, many: int = 2) -> str:
    """Reports a state of its own, *many* times."""
    for number in range(many):
        self.update_state(state="PROGRESS", meta={"done": number + 1})
    return "done"


def retry(self: Any, times: int = 1) -> str:
    """Succeeds after *times* retries."""
    if self.request.retries < times:
        raise self.retry(exc=KeyError("not yet"), countdown=0, max_retries=times)
    return "done"


def wait_to_retry(self: Any) -> None:
    """Fails, to be tried again in five minutes."""
    raise self.retry(exc=KeyError("not yet"), countdown=300, max_retries=1)


def leave(self: Any, state: str, meta: Any) -> None:
    """Stores a state, and ends without another."""
    self.update_state(state=state, meta=meta)
    raise Ignore


def spawn(self: Any, many: int = 1) -> Any:
    """Sends *many* tasks that double a number, as children."""
    double = self.app.tasks[name_of("double")]
    if many == 1:
        return double.delay(1)
    return group(double.s(number) for number in range(many))()


def double(number: int) -> int:
    """Twice the number."""
    return number * 2


def name_of(task: str) -> str:
    """The name under which a task is registered."""
    return f"conformance.{task}"


Task = tuple[Callable[..., Any], Mapping[str, Any]]
TASKS: Final[Mapping[str, Task]] = {
    "add": (add, {}),
    "echo": (echo, {}),
    "total": (total, {}),
    "refuse": (refuse, {}),
    "progress": (progress, {"bind": True}),
    "retry": (retry, {"bind": True}),
    "wait_to_retry": (wait_to_retry, {"bind": True}),
    "leave": (leave, {"bind": True}),
    "spawn": (spawn, {"bind": True, "trail": True}),
    "double": (double, {}),
}
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {"spawn": ("double",)}


class CheckTasks:
    """Gives tasks by name, as ``check_tasks.add``."""

    def __init__(self, worker: ResultWorker) -> None:
        self._worker = worker
        self._times = 0
        self._registered: dict[str, Any] = {}

    def returning(self, value: Any) -> AsyncResult:
        """The result of a task that returns a value, which was no argument of it and so met no serializer before."""

        def give() -> Any:
            return value

        return self._once(give).delay()

    def raising(self, error: BaseException) -> AsyncResult:
        """The result of a task that raises an exception."""

        def fail() -> None:
            raise error

        return self._once(fail).delay()

    def leaving(self, state: str, meta: Any) -> AsyncResult:
        """The result of a task that stores a state with meta that met no serializer before, and then ends."""

        def leave_it(self: Any) -> None:
            self.update_state(state=state, meta=meta)
            raise Ignore

        return self._once(leave_it, bind=True).delay()

    def holding(self, gate: Event, **options: Any) -> AsyncResult:
        """The result of a task that runs until an event is set, and then returns "held"."""

        def hold() -> str:
            assert gate.wait(LIMIT), f"nobody let the task go on within {LIMIT:g} s"
            return "held"

        return self._once(hold).apply_async(**options)

    def _once(self, function: Callable[..., Any], **options: Any) -> Any:
        self._times += 1
        return self._worker.task(function, name=name_of(f"{function.__name__}_{self._times}"), **options)

    def __getattr__(self, name: str) -> Any:
        if name not in TASKS:
            raise AttributeError(f"no task is called {name!r}: {', '.join(TASKS)}")
        for each in (*_NEEDED.get(name, ()), name):
            if each not in self._registered:
                function, options = TASKS[each]
                self._registered[each] = self._worker.task(function, name=name_of(each), **options)
        return self._registered[name]
