"""The same tests on every backend, on whatever provider works here."""

from __future__ import annotations

from typing import Any

import pytest
from backend_names import EVERY
from celery import Celery, chord, group
from celery.result import AsyncResult

from pytest_celery_backends import Capability, Registry, ResultBackend, ResultService, ResultWorker
from pytest_celery_backends.roads import Via

pytestmark = pytest.mark.backends(*EVERY)


def test_a_result_arrives(tasks: Any, result_backend: ResultBackend) -> None:
    assert tasks.add.delay(2, 2).get(timeout=5) == 4


def test_the_store_holds_what_celery_reads(
    tasks: Any, result_backend: ResultBackend, result_app: Celery
) -> None:
    result = tasks.add.delay(2, 2)
    result_backend.wait_for(result, "SUCCESS")
    (found,) = [one for one in result_backend.stored() if one.task_id == result.id]
    assert (found.state, found.size > 0) == ("SUCCESS", True)
    assert AsyncResult(result.id, app=result_app).get(timeout=5) == 4


def test_each_test_starts_with_an_empty_store(result_backend: ResultBackend) -> None:
    assert result_backend.stored() == []


def test_what_a_test_leaves_is_gone_in_the_next(tasks: Any, result_backend: ResultBackend) -> None:
    assert result_backend.stored() == []
    tasks.add.delay(1, 1)
    tasks.add.apply_async((1, 1), countdown=60)


def test_nothing_of_the_last_test_goes_on(result_backend: ResultBackend, result_worker: ResultWorker) -> None:
    result_worker.drain(timeout=1)
    assert result_backend.stored() == []


def test_an_exception_comes_back(tasks: Any, result_backend: ResultBackend) -> None:
    with pytest.raises(ValueError, match=r"^boom$"):
        tasks.refuse.delay("boom").get(timeout=5)


@pytest.mark.backend_requires("custom_states")
@pytest.mark.celery(task_track_started=True)
def test_states_are_seen_in_order(tasks: Any, result_backend: ResultBackend) -> None:
    result_backend.assert_transitions(tasks.add.delay(1, 1), "STARTED", "SUCCESS")
    result_backend.assert_transitions(tasks.refuse.delay("boom"), "STARTED", "FAILURE")
    result_backend.assert_transitions(tasks.progress.delay(), "STARTED", "PROGRESS", "PROGRESS", "SUCCESS")


@pytest.mark.celery(result_extended=True)  # else django-celery-results stores no traceback
def test_a_failure_comes_back_as_it_was_raised(tasks: Any, result_backend: ResultBackend) -> None:
    result_backend.assert_raises_in_task(tasks.refuse.delay("boom"), ValueError, match="^boom$")


@pytest.mark.backend_requires("any_reader")
@pytest.mark.celery(result_extended=True)  # else django-celery-results stores no traceback
def test_another_process_reads_what_was_stored(tasks: Any, result_backend: ResultBackend) -> None:
    result_backend.assert_same_everywhere(tasks.add.delay(1, 1))
    result_backend.assert_same_everywhere(tasks.refuse.delay("boom"))


def test_a_task_that_came_too_late_is_revoked(tasks: Any, result_backend: ResultBackend) -> None:
    result_backend.assert_revoked(tasks.add.apply_async((1, 1), expires=-1))


def test_a_group_is_complete(tasks: Any, result_backend: ResultBackend) -> None:
    result_backend.assert_group_complete(group(tasks.add.s(n, n) for n in range(3))())


@pytest.mark.backend_requires("chords")
def test_the_body_of_a_chord_runs_once(tasks: Any, result_backend: ResultBackend) -> None:
    body = chord((tasks.add.s(n, n) for n in range(3)), tasks.total.s())()
    result_backend.assert_chord_ran_once(body)


@pytest.mark.backend_requires("custom_states")
def test_progress_meta_is_on_the_timeline(tasks: Any, result_backend: ResultBackend) -> None:
    result = tasks.progress.delay()
    result_backend.wait_for(result, "SUCCESS")
    values = [seen.value for seen in result_backend.timeline(result)]
    assert values == [{"done": 1}, {"done": 2}, "done"]


def test_round_trips_are_counted(tasks: Any, result_backend: ResultBackend, result_worker: Any) -> None:
    tasks.add.delay(1, 1).get(timeout=5)  # makes tables and connections
    result_worker.drain()
    with result_backend.commands() as commands:
        tasks.add.delay(1, 1).get(timeout=5)
        result_worker.drain()
    # whenever results of earlier tests are collected, Celery unsubscribes from them
    asked = [text for text in commands.texts if not text.startswith("UNSUBSCRIBE")]
    assert 1 <= len(asked) <= 12, asked
    with result_backend.assert_max_commands(0), result_backend.assert_max_connections(0):
        result_backend.stored()


def test_a_group_is_joined(tasks: Any, result_backend: ResultBackend) -> None:
    assert group(tasks.add.s(n, n) for n in range(5))().get(timeout=5) == [0, 2, 4, 6, 8]


@pytest.mark.backends("redis", "redis-tls", "redis-sentinel", "valkey")
def test_results_are_collected_while_others_are_awaited(tasks: Any, collecting_while_sending: None) -> None:
    assert [tasks.add.delay(n, n).get(timeout=5) for n in range(3)] == [0, 2, 4]


@pytest.mark.backend_requires("chords")
def test_a_chord_runs_its_body(tasks: Any, result_backend: ResultBackend) -> None:
    body = chord((tasks.add.s(n, n) for n in range(5)), tasks.total.s())()
    assert body.get(timeout=5) == 20


@pytest.mark.backend_requires("groups")
def test_a_saved_group_is_found_in_the_store(tasks: Any, result_backend: ResultBackend) -> None:
    result = group(tasks.add.s(n, n) for n in range(2))()
    result.save()
    assert [one.task_id for one in result_backend.stored() if one.kind == "group"] == [result.id]


@pytest.mark.backend_requires("expiry")
@pytest.mark.celery(result_expires=3600)
def test_results_expire_when_told(tasks: Any, result_backend: ResultBackend) -> None:
    result = tasks.add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    result_backend.assert_expires(result, after=3600)
    with pytest.raises(AssertionError):
        result_backend.assert_expires(result, after=60)
    assert result.get(timeout=5) == 2


def test_values_survive_json(result_backend: ResultBackend) -> None:
    result_backend.assert_round_trip({"text": "ü", "numbers": [1, 2.5, None, True]})


@pytest.mark.backend_requires("serializers")
def test_values_survive_pickle_with_their_types(result_backend: ResultBackend) -> None:
    result_backend.assert_round_trip({"pair": (1, 2), "set": {3}}, serializer="pickle")


@pytest.mark.backend_requires("large_results")
def test_a_large_result_is_stored_whole(result_backend: ResultBackend) -> None:
    result_backend.assert_round_trip("x" * 100_000)


@pytest.mark.backend_requires("serializers")
def test_json_makes_lists_of_tuples(result_backend: ResultBackend) -> None:
    result_backend.assert_round_trip((1, 2), comes_back_as=[1, 2])


@pytest.mark.filterwarnings("ignore:The .* result backend cannot store compressed payloads:UserWarning")
@pytest.mark.celery(result_compression="gzip")
def test_what_is_declared_of_compression_is_so(result_backend: ResultBackend) -> None:
    trip = result_backend.round_trip("la " * 1000)
    assert trip.outcome == "same"
    assert (trip.compression, trip.saved > 2000) == (
        ("gzip", True) if result_backend.supports(Capability.COMPRESSION) else ("", False)
    )


@pytest.mark.parametrize(
    "via",
    [
        *("meta", "group", "chord", "parent"),
        pytest.param(
            "extended", marks=pytest.mark.differs("django-db", why="it stores the repr of arguments")
        ),
    ],
)
def test_values_take_every_road(result_backend: ResultBackend, via: Via) -> None:
    result_backend.assert_round_trip({"items": [1, None, "é"]}, via=via)


@pytest.mark.backend_requires("forget")
def test_a_forgotten_result_is_gone(tasks: Any, result_backend: ResultBackend) -> None:
    result = tasks.add.delay(1, 1)
    assert result.get(timeout=5) == 2
    result.forget()
    result_backend.assert_forgotten(result)
    result_backend.assert_no_leftovers()


def test_the_version_is_the_servers_own(result_backend: ResultBackend, result_service: ResultService) -> None:
    assert result_backend.version == result_service.version
    # Moto tells clients no version; that of a container is known.
    is_silent = (result_service.product, result_service.provider) == ("Moto", "external")
    assert result_service.version[:1].isdigit() or is_silent or result_backend.name == "filesystem"


def test_the_handle_says_where_it_runs(result_backend: ResultBackend, result_service: ResultService) -> None:
    assert result_backend.provider == result_service.provider
    assert result_backend.settings["result_backend"] == result_backend.url
    assert "secret" not in repr(result_service)
    declared = Registry().get(result_backend.name).verdict(Capability.CUSTOM_STATES)
    assert result_backend.supports("custom_states") == bool(declared)


def test_production_is_back_after_each_test(
    celery_backends_app: Celery, result_backend: ResultBackend
) -> None:
    assert "invalid" not in str(celery_backends_app.conf.result_backend)
    assert "invalid" not in str(celery_backends_app.conf.broker_url)
