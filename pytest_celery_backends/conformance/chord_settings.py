"""What each setting does that concerns chords."""

from __future__ import annotations

import time
from typing import Any

import pytest
from celery import Celery, chord, states
from celery.result import AsyncResult

from .. import ResultBackend, ResultWorker, check
from .concerned import REDIS, only_on, only_since, unsupported
from .limits import until
from .stored import comes_to, last_state_of
from .tasks import CheckTasks

HOUR = 3600


class TestChordSettings:
    """userguide/configuration: https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-chord-join-timeout."""

    @check("chords")
    @pytest.mark.celery(result_backend_transport_options={"result_chord_ordered": False})
    def test_result_chord_ordered_may_be_turned_off(
        self,
        check_tasks: CheckTasks,
        result_worker: ResultWorker,
        result_backend: ResultBackend,
        result_app: Celery,
    ) -> None:
        """getting-started/backends-and-brokers/redis, Group result ordering: "The behaviour is controlled by the
        result_chord_ordered configuration option"; without it, values come in the order of their ends."""
        only_on(result_app, REDIS)

        @result_worker.task(name="conformance.after", bind=True, max_retries=None)
        def after(self: Any, task_id: str) -> str:
            if AsyncResult(task_id, app=result_app).state != states.SUCCESS:
                raise self.retry(countdown=0.05)
            return "first"

        early = check_tasks.echo.s("second").set(task_id="conformance-early")
        body = chord([after.s("conformance-early"), early], check_tasks.echo.s())()
        comes_to(result_backend, body, ["second", "first"])

    @check("chords")
    @pytest.mark.celery(result_chord_retry_interval=0.2)
    def test_result_chord_retry_interval_is_how_long_a_polled_chord_waits(
        self, check_tasks: CheckTasks, result_worker: ResultWorker, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_chord_retry_interval: "Default interval for retrying chord tasks"."""
        late = check_tasks.echo.s(1).set(countdown=0.3)
        body = chord([late, check_tasks.echo.s(2)], check_tasks.total.s())()
        comes_to(result_backend, body, 3)
        if "celery.chord_unlock" not in result_worker.logs:
            unsupported("its chords are counted, and nobody asks again")
        assert "Retry in 0.2s" in result_worker.logs

    @check("chords")
    @pytest.mark.celery(result_chord_join_timeout=0.2)
    def test_result_chord_join_timeout_is_how_long_a_counted_chord_looks_for_results(
        self,
        check_tasks: CheckTasks,
        result_worker: ResultWorker,
        result_backend: ResultBackend,
        result_app: Celery,
    ) -> None:
        """userguide/configuration, result_chord_join_timeout: "The timeout in seconds (int/float) when joining
        a group's results within a chord"."""
        if not getattr(result_app.backend, "implements_incr", False):
            unsupported("joins no results, or those alone that are there")

        @result_worker.task(name="conformance.lose")
        def lose(task_id: str) -> None:
            AsyncResult(task_id, app=result_app).forget()

        first = check_tasks.echo.s(1).set(task_id="conformance-lost")
        began = time.monotonic()
        body = chord([first, lose.s("conformance-lost")], check_tasks.echo.s())()
        until(lambda: last_state_of(result_backend, body) == states.FAILURE, "failure of the body")
        assert time.monotonic() - began < 3

    @check("chords")
    @pytest.mark.celery(result_chord_expires=600, result_expires=HOUR)
    def test_result_chord_expires_is_how_long_a_chord_keeps_what_it_counts_with(
        self,
        check_tasks: CheckTasks,
        result_worker: ResultWorker,
        result_backend: ResultBackend,
        result_app: Celery,
    ) -> None:
        """userguide/configuration, result_chord_expires: "Time (in seconds) after which the keys that are used to keep
        track of a chord will be deleted"."""
        only_since(5, 7)
        only_on(result_app, REDIS)
        late = check_tasks.echo.s(1).set(countdown=300)
        chord([check_tasks.echo.s(2), late], check_tasks.total.s())()

        def kept() -> list[float | None]:
            found = [each.expires_in for each in result_backend.stored() if each.kind == "chord"]
            return [None if each is None else round(each, -2) for each in found]

        until(lambda: 600 in kept(), "key of the chord that goes after 600 s")
        assert None not in kept()
