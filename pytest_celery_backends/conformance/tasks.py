"""The tasks that checks share; each is registered with the app under test when a check first asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from celery import group, states

from .. import ResultWorker


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


def leave(self: Any, state: str = states.STARTED) -> None:
    """Stores a state, and ends without another."""
    from celery.exceptions import Ignore

    self.update_state(state=state, meta={"left": True})
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
    "leave": (leave, {"bind": True}),
    "spawn": (spawn, {"bind": True, "trail": True}),
    "double": (double, {}),
}
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {"spawn": ("double",)}


class CheckTasks:
    """Gives tasks by name, as ``check_tasks.add``."""

    def __init__(self, worker: ResultWorker) -> None:
        self._worker = worker
        self._registered: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name not in TASKS:
            raise AttributeError(f"no task is called {name!r}: {', '.join(TASKS)}")
        for each in (*_NEEDED.get(name, ()), name):
            if each not in self._registered:
                function, options = TASKS[each]
                self._registered[each] = self._worker.task(function, name=name_of(each), **options)
        return self._registered[name]
