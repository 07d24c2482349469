"""What becomes of results when connections to the store are lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from celery import Celery, states
from celery.result import AsyncResult, GroupResult

from .. import ResultBackend, check, except_on, no
from .concerned import DATABASE, MONGODB, REDIS, is_one, only_on, only_since, unsupported
from .limits import LIMIT, until
from .relay import Relay, relayed
from .stored import last_state_of

#: A store that answers again is found within this many milliseconds.
QUICK = {"result_backend_base_sleep_between_retries_ms": 1, "result_backend_max_sleep_between_retries_ms": 20}

#: Seconds for who waits: Celery's push backends look up once a second.
LONG = 10.0

#: What tells of a server that cannot be reached: errors of drivers, of kombu and of Celery, with all derived from them.
OF_OUTAGES = (
    "builtins.OSError",
    "redis.exceptions.ConnectionError",
    "redis.exceptions.TimeoutError",
    "sqlalchemy.exc.InterfaceError",
    "sqlalchemy.exc.OperationalError",
    "pymongo.errors.ConnectionFailure",
    "pymemcache.exceptions.MemcacheUnexpectedCloseError",
    "kombu.exceptions.OperationalError",
    "celery.exceptions.BackendError",
)

ONCE = no("neither Celery nor pymemcache tries again when a connection ends within a call")
SILENT = no(
    "python-memcached, Celery's client before 5.7, takes a server that is away for one that holds nothing"
)


class TestConnectionLoss:
    """userguide/configuration: https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-backend-always-retry."""

    @except_on("memcached", verdict=ONCE)
    @check("reread")
    def test_what_was_stored_before_a_loss_is_read_after_it(self, result_backend: ResultBackend) -> None:
        """userguide/tasks, Result Backends: a result is in the store, and not in a connection."""
        with relayed(result_backend) as (app, relay):
            app.backend.store_result("conformance-before", "kept", states.SUCCESS)
            relay.cut()
            assert AsyncResult("conformance-before", app=app).get(timeout=LIMIT) == "kept"
        assert last_state_of(result_backend, "conformance-before") == states.SUCCESS

    @except_on("memcached", verdict=ONCE)
    @check("reread")
    def test_what_is_stored_after_a_loss_is_in_the_store(self, result_backend: ResultBackend) -> None:
        """userguide/tasks, Result Backends: a client connects anew."""
        with relayed(result_backend) as (app, relay):
            if is_one(app, MONGODB):
                unsupported("pymongo sees now and then alone that a connection has ended, and writes once")
            for number in range(3):
                app.backend.store_result(f"conformance-{number}", number, states.SUCCESS)
                relay.cut()
        found = [last_state_of(result_backend, f"conformance-{number}") for number in range(3)]
        assert found == [states.SUCCESS] * 3

    @except_on("memcached", verdict=ONCE)
    @check("reread")
    # Celery before 5.7 connects anew in words that redis-py has given up
    @pytest.mark.filterwarnings("ignore:Call to 'get_connection':DeprecationWarning")
    def test_who_waits_while_the_connection_is_lost_is_told_all_the_same(
        self, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """celery.result.AsyncResult.get: waits for the result, and not for a connection."""
        with relayed(result_backend) as (app, relay), ThreadPoolExecutor(1) as pool:
            waiting = threading.Event()

            def wait() -> Any:
                result = AsyncResult("conformance-awaited", app=app)
                return result.get(timeout=LONG, interval=0.05, on_interval=waiting.set)

            told = pool.submit(wait)
            assert waiting.wait(LONG)
            until(lambda: relay.cut() > 0 or is_one(result_app, DATABASE), "connection of who waits")
            result_app.backend.store_result("conformance-awaited", "told", states.SUCCESS)

            def has_ended() -> bool:
                # celery/backends/redis.py, _reconnect_pubsub: it looks before it subscribes, and is not told of what
                # is stored between the two; the next loss has it look again
                ended = bool(futures.wait([told], 1.0).done)
                if not ended and is_one(result_app, REDIS):
                    relay.cut()
                return ended

            until(has_ended, "end of the wait")
            assert told.result(timeout=LONG) == "told"
        assert last_state_of(result_backend, "conformance-awaited") == states.SUCCESS

    @except_on("memcached", verdict=ONCE)
    @check("groups")
    def test_a_group_that_was_saved_before_a_loss_is_restored_after_it(
        self, result_backend: ResultBackend
    ) -> None:
        """celery.result.GroupResult.restore: from the store."""
        with relayed(result_backend) as (app, relay):
            members = [AsyncResult(f"member-{number}", app=app) for number in range(3)]
            GroupResult("conformance-group", members, app=app).save()
            relay.cut()
            assert GroupResult.restore("conformance-group", app=app).results == members
        stored = [each.task_id for each in result_backend.stored() if each.kind == "group"]
        assert stored == ["conformance-group"]

    @except_on("memcached", verdict=SILENT, until=(5, 7))
    @check("reread")
    def test_an_outage_is_an_error_and_ends_with_it(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, result_backend_always_retry: without it, what cannot be reached is an error."""
        with relayed(result_backend, result_backend_max_retries=1, **QUICK) as (app, relay):
            backend = app.backend
            backend.store_result("conformance-before", "kept", states.SUCCESS)
            relay.refuse()
            outcome = outcome_of(lambda: backend.get_task_meta("conformance-before", cache=False))
            assert is_of_outage(outcome, backend), not_of_outage(outcome)
            relay.resume()
            assert AsyncResult("conformance-before", app=app).get(timeout=LIMIT) == "kept"
        assert last_state_of(result_backend, "conformance-before") == states.SUCCESS

    @check("reread")
    def test_a_result_is_stored_once_the_outage_is_over_where_it_is_always_retried(
        self, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, result_backend_always_retry: "If enabled, backend will try to retry on the event of
        recoverable exceptions instead of propagating the exception"."""
        only_on(result_app, REDIS, DATABASE)
        only_since(*((5, 5) if is_one(result_app, REDIS) else (5, 7)))
        own = {"result_backend_always_retry": True, "result_backend_max_retries": 10_000}
        with relayed(result_backend, **QUICK, **own) as (app, relay), ThreadPoolExecutor(1) as pool:
            stored = pool.submit(self.store, app, relay)
            until(lambda: relay.refused > 1, "two calls that were refused")
            assert not stored.done()
            relay.resume()
            stored.result(timeout=LIMIT)
        assert last_state_of(result_backend, "conformance-retried") == states.SUCCESS

    def store(self, app: Celery, relay: Relay) -> None:
        """Store a result while nothing can be reached."""
        assert app.backend.get_state("connects") == states.PENDING
        relay.refuse()
        app.backend.store_result("conformance-retried", "stored", states.SUCCESS)


def is_of_outage(outcome: object, backend: Any) -> bool:
    """Whether an error is one of OF_OUTAGES, or one that the backend tries again where that is asked."""
    if not isinstance(outcome, Exception):
        return False
    names = {f"{each.__module__}.{each.__qualname__}" for each in type(outcome).__mro__}
    return not names.isdisjoint(OF_OUTAGES) or bool(backend.exception_safe_to_retry(outcome))


def not_of_outage(outcome: object) -> str:
    """What came instead of such an error."""
    seen = f"{type(outcome).__name__}: {outcome}" if isinstance(outcome, Exception) else outcome
    return f"an outage was told of by {seen}\n  takes: {', '.join(OF_OUTAGES)}, or what is safe to retry"


def outcome_of(call: Callable[[], Any]) -> object:
    """What a call raised; in words, what it gave, or that it did not end within twice the limit of a check."""
    told: list[object] = []

    def run() -> None:
        try:
            told.append(f"the answer {call()!r}")
        except Exception as error:
            told.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(timeout=2 * LIMIT)
    return told[0] if told else "neither answer nor error"
