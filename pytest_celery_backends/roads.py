"""The ways that a value can take through tasks on the worker: each is sent and read as users do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from celery import chain, chord, group, states
from celery.exceptions import Ignore

from .capabilities import Capability

Via = Literal["result", "argument", "exception", "meta", "group", "chord", "extended", "children", "parent"]

#: The state that a task reports with its meta.
PROGRESS: Final = "PROGRESS"


@dataclass(kw_only=True)
class Cargo:
    """What the tasks of a lease carry: the value to send, what came to them as arguments, and whom they called."""

    value: Any = None
    received: list[Any] = field(default_factory=list)
    called: list[Any] = field(default_factory=list)

    def load(self, value: Any) -> None:
        """Take another value."""
        self.value = value
        self.received.clear()
        self.called.clear()


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A value that is on its way.

    ``result`` is what a client waits for, ``carrier`` the result of the task whose record or message has the value:
    None where another task calls it.
    """

    result: Any
    carrier: Any = None


@dataclass(frozen=True, kw_only=True)
class Road:
    """One way.

    Arguments:
        send: sends tasks, given by name, with the options of ``apply_async``.
        read: gives what came back, once all tasks have ended; takes the cargo, what was sent, and a limit in seconds.
        state: in which state the value is stored, empty where it is not stored but sent.
        parts: which serializers the value passes: that of results, of messages, or both.
        settings: Celery's settings without which it does not exist.
        needs: what a backend has to be capable of.
        is_single: whether one task is sent, which may be given an id.
        delivers: whether a task is given the value.
    """

    send: Callable[[Mapping[str, Any], Cargo, Mapping[str, Any]], Sent]
    read: Callable[[Cargo, Sent, float], Any]
    state: str = states.SUCCESS
    parts: tuple[Literal["results", "messages"], ...] = ("results",)
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: Capability | None = None
    is_single: bool = False
    delivers: bool = False


def registered_tasks(app: Any, cargo: Cargo) -> dict[str, Any]:
    """The tasks that carry values, registered with an app that is wired."""

    def echo() -> Any:
        return cargo.value

    def throw() -> None:
        raise cargo.value

    def report(self: Any) -> None:
        self.update_state(state=PROGRESS, meta=cargo.value)
        raise Ignore  # nothing is stored over it

    def take(*args: Any, **kwargs: Any) -> None:
        cargo.received.append((args, kwargs))

    def call() -> None:
        cargo.called.append(tasks["echo"].delay())

    made: dict[str, Callable[..., Any]] = {
        "echo": echo,
        "throw": throw,
        "report": report,
        "take": take,
        "call": call,
    }
    tasks = {
        name: app.task(
            run, name=f"{__package__}.{name}", shared=False, ignore_result=False, bind=name == "report"
        )
        for name, run in made.items()
    }
    return tasks


def _one(name: str) -> Callable[[Mapping[str, Any], Cargo, Mapping[str, Any]], Sent]:
    def send(tasks: Mapping[str, Any], cargo: Cargo, options: Mapping[str, Any]) -> Sent:
        result = tasks[name].apply_async(**options)
        return Sent(result=result, carrier=result)

    return send


def _send_call(tasks: Mapping[str, Any], cargo: Cargo, options: Mapping[str, Any]) -> Sent:
    return Sent(result=tasks["call"].apply_async(**options))


def _send_argument(tasks: Mapping[str, Any], cargo: Cargo, options: Mapping[str, Any]) -> Sent:
    result = tasks["take"].apply_async((cargo.value,), {"keyword": cargo.value}, **options)
    return Sent(result=result, carrier=result)


def _send_group(tasks: Mapping[str, Any], cargo: Cargo, options: Mapping[str, Any]) -> Sent:
    result = group(tasks["echo"].s() for _ in range(2)).apply_async(**options)
    return Sent(result=result, carrier=result.results[0])


def _send_chord(tasks: Mapping[str, Any], cargo: Cargo, options: Mapping[str, Any]) -> Sent:
    # two, since Celery makes a chain of a chord with one
    result = chord((tasks["echo"].s() for _ in range(2)), tasks["take"].s()).apply_async(**options)
    return Sent(result=result, carrier=result.parent.results[0])


def _send_chain(tasks: Mapping[str, Any], cargo: Cargo, options: Mapping[str, Any]) -> Sent:
    result = chain(tasks["echo"].s(), tasks["take"].s()).apply_async(**options)
    return Sent(result=result, carrier=result.parent)


def _get(cargo: Cargo, sent: Sent, timeout: float) -> Any:
    return sent.result.get(timeout=timeout, propagate=False)


def _read_carrier(cargo: Cargo, sent: Sent, timeout: float) -> Any:
    return sent.carrier.get(timeout=timeout, propagate=False)


def _read_info(cargo: Cargo, sent: Sent, timeout: float) -> Any:
    return sent.result.info


def _read_group(cargo: Cargo, sent: Sent, timeout: float) -> Any:
    return sent.result.get(timeout=timeout, propagate=False)[0]


def _read_argument(cargo: Cargo, sent: Sent, timeout: float) -> Any:
    (args, kwargs) = cargo.received[-1]
    return _alike(args[0], kwargs["keyword"])


def _read_extended(cargo: Cargo, sent: Sent, timeout: float) -> Any:
    _get(cargo, sent, timeout)
    args, kwargs = sent.result.args, sent.result.kwargs
    if not isinstance(args, (list, tuple)) or not isinstance(kwargs, dict):
        return args  # django-celery-results stores their reprs
    return _alike(args[0], kwargs["keyword"])


def _alike(positional: Any, keyword: Any) -> Any:
    """An argument, which was given twice; both where they are not the same."""
    from .comparison import difference

    return {"positional": positional, "keyword": keyword} if difference(positional, keyword) else positional


def _read_body(cargo: Cargo, sent: Sent, timeout: float) -> Any:
    ((values,), _) = cargo.received[-1]
    return values[0]


def _read_child(cargo: Cargo, sent: Sent, timeout: float) -> Any:
    _get(cargo, sent, timeout)
    if not sent.result.children:  # databases before Celery 5.7
        raise LookupError("the store holds no children of the task")
    (child,) = sent.result.children
    return child.get(timeout=timeout, propagate=False)


ROADS: Final[Mapping[str, Road]] = {
    "result": Road(send=_one("echo"), read=_get, is_single=True),
    "argument": Road(
        send=_send_argument,
        read=_read_argument,
        state="",
        parts=("messages",),
        is_single=True,
        delivers=True,
    ),
    "exception": Road(send=_one("throw"), read=_get, state=states.FAILURE, is_single=True),
    "meta": Road(
        send=_one("report"),
        read=_read_info,
        state=PROGRESS,
        needs=Capability.CUSTOM_STATES,
        is_single=True,
    ),
    "group": Road(send=_send_group, read=_read_group),
    "chord": Road(
        send=_send_chord,
        read=_read_body,
        parts=("results", "messages"),
        needs=Capability.CHORDS,
        delivers=True,
    ),
    "extended": Road(
        send=_send_argument,
        read=_read_extended,
        parts=("results", "messages"),
        settings={"result_extended": True},
        needs=Capability.EXTENDED,
        is_single=True,
    ),
    # a result goes to who sent the task: to the worker, where it is a message
    "children": Road(send=_send_call, read=_read_child, needs=Capability.REREAD),
    "parent": Road(send=_send_chain, read=_read_carrier, parts=("results", "messages")),
}
