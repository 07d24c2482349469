"""Letting go of what a backend object and kombu's pools hold open, within a time limit."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import Any, Final

from .errors import WaitTimeout

#: What to do, and what it is called when it does not end.
Step = tuple[str, Callable[[], object]]


def run_within(seconds: float, steps: Iterable[Step], *, remedy: str) -> None:
    """Run all steps, also when one fails, and come back in time.

    Raises what the steps raised, and WaitTimeout where a step does not end: its thread is a daemon
    and will not hold up the interpreter.

    >>> run_within(1.0, [("a file", lambda: None)], remedy="wiring.close(timeout=5)")
    """
    started: list[str] = []
    problems: list[Exception] = []
    arguments = (steps, started, problems)
    thread = threading.Thread(target=_run, args=arguments, daemon=True, name="celery-backends-release")
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        cause = f"letting go of connections took longer than {seconds:g} s"
        raise WaitTimeout(cause, tried=[f"still waiting for {name}" for name in started[-1:]], remedy=remedy)
    for problem in problems:
        raise problem


def _run(steps: Iterable[Step], started: list[str], problems: list[Exception]) -> None:
    def note_and_do(name: str, action: Callable[[], object]) -> None:
        started.append(name)
        action()

    try:
        with ExitStack() as stack:
            for step in steps:
                stack.callback(note_and_do, *step)
    except Exception as problem:  # for the thread that waits
        problems.append(problem)


def pool_steps(pools: Iterable[Any]) -> Iterator[Step]:
    """Closes kombu's pools with all that was taken from them."""
    for pool in pools:
        yield f"a {type(pool).__name__} of kombu", pool.force_close_all


def backend_steps(backend: Any) -> Iterator[Step]:
    """Closes what a backend object holds; the last is run first.

    The result consumer goes before the client, and both before the server: a result that is collected
    later would try to unsubscribe, and reconnect for 19 seconds.
    """
    name = type(backend).__name__
    yield f"the client of {name}", functools.partial(_close_client, backend)
    yield f"the engines of {name}", functools.partial(_dispose_engines, backend)
    consumer = getattr(backend, "result_consumer", None)
    if consumer is not None:
        yield f"the result consumer of {name}", functools.partial(_stop_consumer, consumer)


def _stop_consumer(consumer: Any) -> None:
    """Stop without a word to the server, or with one that may fail, and leave nothing to talk through."""
    state = vars(consumer)
    pubsub = state.get("_pubsub")
    if pubsub is not None:
        consumer._pubsub = None
        state.get("_pending_unsubscribe", set()).clear()
        consumer.subscribed_to.clear()
        pubsub.close()
    connection, channel_consumer = state.get("_connection"), state.get("_consumer")
    if connection is not None:
        consumer._connection = consumer._consumer = None
        # a server that is gone, or going, has nothing left to be told
        with suppress(*connection.connection_errors, *connection.channel_errors):
            if channel_consumer is not None:
                channel_consumer.cancel()
        connection.close()


#: Where Celery's backends keep what they talk through, once it is there.
_CLIENTS: Final = (
    "client",
    "_connection",
    "_client",
    "_blob_service_client",
    "_s3_resource",
    "_server",
    "_cluster",
)


def _close_client(backend: Any) -> None:
    """Close clients that exist already: redis's pool, a boto3 resource's client, and those with a method for it."""
    for client in filter(None, map(vars(backend).get, _CLIENTS)):
        # not by getattr(): a pymongo client takes any name for that of a database
        inside = getattr(client, "__dict__", {})
        if "connection_pool" in inside:
            inside["connection_pool"].disconnect()
        elif hasattr(inside.get("meta"), "client"):
            inside["meta"].client.close()
        elif callable(close := getattr(client, "close", None) or getattr(client, "shutdown", None)):
            close()


def _dispose_engines(backend: Any) -> None:
    """Dispose SQLAlchemy's pools, of this backend's URL only: Celery 5.4 has one manager for a process."""
    session = getattr(backend, "ResultSession", None)
    arguments = (*(getattr(session, "__defaults__", None) or ()), *getattr(session, "keywords", {}).values())
    for manager in (vars(backend).get("session_manager"), *arguments):
        if hasattr(manager, "_engines"):
            manager._sessions.pop(backend.url, None)
            engine = manager._engines.pop(backend.url, None)
            if engine is not None:
                engine.dispose()
