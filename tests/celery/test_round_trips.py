"""What becomes of a value on each road: the same, another, or refused; and on broken stores and serializers."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from messages import said
from odd_values import Forgetful, Liar, OutOfStock, Quarrelsome, registered

from pytest_celery_backends import Capability, ResultBackend, ResultWorker, RoundTrip
from pytest_celery_backends.celery_release import celery_release
from pytest_celery_backends.roads import ROADS

SIX = ("redis", "postgres", "sqlite", "filesystem", "rpc-memory", "memory")
ROUND = pytest.mark.backends(*SIX)
#: One of each kind: pushed, polled with a chord's counter, polled with a task that asks, and messages.
EACH_KIND = pytest.mark.backends("redis", "memory", "sqlite", "rpc-memory")
NOON = datetime.datetime(2026, 1, 1, 12)
#: Roads on which a value is stored as the result of its task.
RETURNED = ("result", "meta", "group", "chord", "children", "parent")


def on(names: tuple[str, ...], wrong: str) -> pytest.MarkDecorator:
    """Run on the broken kind of each backend."""
    return pytest.mark.backends(*(f"{name}-{wrong}" for name in names))


@pytest.fixture
def serializer(request: pytest.FixtureRequest) -> Iterator[str]:
    """A serializer that is wrong in the way of the parameter."""
    with registered(request.param) as name:
        yield name


def wrong(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("serializer", names, indirect=True)


def roads(backend: ResultBackend, names: tuple[str, ...]) -> list[Any]:
    """Those of these roads that a backend has."""
    needs = {name: ROADS[name].needs for name in names}
    return [name for name, capability in needs.items() if capability is None or backend.supports(capability)]


# -- every road


@ROUND
def test_a_value_that_json_carries_is_the_same_on_every_road(result_backend: ResultBackend) -> None:
    value = {"items": [1, None, "é", {"when": NOON}], "total": 1.5}
    for via in roads(result_backend, tuple(ROADS)):
        stores_no_children = celery_release() < (5, 7) and result_backend.name in ("postgres", "sqlite")
        if via == "exception" or (via == "children" and stores_no_children):
            continue
        trip = result_backend.round_trip(value, via=via, serializer="json" if via == "argument" else None)
        assert (via, trip.outcome, trip.difference, trip.error) == (via, "same", "", "")
        assert trip.came_back == value
        assert b"items" in trip.raw or result_backend.name in ("postgres", "sqlite")
        assert trip.size == len(trip.raw) == trip.plain_size
        result_backend.assert_round_trip(value, via=via)


@pytest.mark.backend_requires("serializers")
@EACH_KIND
def test_json_makes_a_list_of_a_tuple_on_every_road(result_backend: ResultBackend) -> None:
    for via in roads(result_backend, ("argument", "extended", *RETURNED)):
        trip = result_backend.round_trip({"a": [(1, 2)]}, via=via, serializer="json")
        assert (via, trip.outcome, trip.difference) == (via, "changed", '["a"][0]: tuple -> list')
        assert (trip.content_type, trip.content_encoding) == ("application/json", "utf-8")
        result_backend.assert_round_trip(
            {"a": [(1, 2)]}, via=via, serializer="json", comes_back_as={"a": [[1, 2]]}
        )
        assert result_backend.round_trip({"a": [(1, 2)]}, via=via, serializer="pickle").outcome == "same"


@pytest.mark.backend_requires("serializers")
@EACH_KIND
def test_what_json_cannot_write_is_rejected_on_every_road(result_backend: ResultBackend) -> None:
    for via in roads(result_backend, ("argument", "extended", *RETURNED)):
        trip = result_backend.round_trip({1, 2}, via=via, serializer="json")
        where = "publish" if via in ("argument", "extended") else "worker"
        assert (via, trip.outcome, trip.rejected_at, trip.is_lost) == (via, "rejected", where, False)
        assert "Object of type set is not JSON serializable" in trip.error


@pytest.mark.backend_requires("serializers")
@EACH_KIND
def test_what_json_cannot_read_again_is_rejected_on_every_road(result_backend: ResultBackend) -> None:
    """A dictionary with the key by which kombu marks the types that JSON does not have."""
    value = {"__type__": "nobody's", "__value__": 1}
    where = {"argument": "worker", "extended": "worker", "chord": "worker", "parent": "worker"}
    for via in roads(result_backend, ("argument", "extended", *RETURNED)):
        trip = result_backend.round_trip(value, via=via, serializer="json")
        assert (via, trip.outcome, trip.rejected_at) == (via, "rejected", where.get(via, "read"))
        assert "Unsupported type" in trip.error
    assert result_backend.round_trip(1, serializer="json").outcome == "same"  # what reads is in order again


@ROUND
def test_exceptions_with_all_that_belongs_to_them(result_backend: ResultBackend) -> None:
    result_backend.assert_round_trip(ValueError("m", 1), via="exception")
    assert "ValueError" in result_backend.round_trip(ValueError("m"), via="exception").traceback
    cases: list[tuple[Exception, str]] = [(OSError(2, "x", "/f"), ".filename: str -> NoneType")]
    for error, parts in cases if result_backend.supports("serializers") else []:
        trip = result_backend.round_trip(error, via="exception", serializer="json")
        assert (trip.outcome, trip.difference) == ("changed", parts)
        result_backend.assert_round_trip(error, via="exception", serializer="pickle")
    caused = ValueError("outer")
    caused.__cause__ = KeyError("inner")
    trip = result_backend.round_trip(caused, via="exception")
    assert trip.difference == ".__cause__: KeyError -> NoneType"


@pytest.mark.backends("memory")
def test_an_app_own_settings_are_in_force(result_backend: ResultBackend, result_app: Any) -> None:
    assert result_backend.round_trip((1,)).serializer == "json"
    result_app.conf.update(result_serializer="pickle", result_accept_content=["pickle"])
    trip = result_backend.round_trip((1,))
    assert (trip.serializer, trip.outcome) == ("pickle", "same")


@ROUND
def test_nothing_of_a_round_trip_is_in_the_test_own_namespace(result_backend: ResultBackend) -> None:
    result_backend.assert_round_trip(1)
    result_backend.assert_no_leftovers()


# -- values that lie


@pytest.mark.backends("memory", "redis")
def test_values_that_say_of_themselves_what_is_not_so(result_backend: ResultBackend) -> None:
    assert result_backend.round_trip(Liar(1), serializer="pickle").outcome == "same"
    assert result_backend.round_trip(Quarrelsome(1), serializer="pickle").outcome == "same"
    with pytest.raises(AssertionError, match="first difference: .number: 1 -> -1"):
        result_backend.assert_round_trip(Forgetful(1), serializer="pickle")
    with pytest.raises(AssertionError, match="first difference: Liar -> int"):
        result_backend.assert_round_trip(4, comes_back_as=Liar(4))
    with pytest.raises(
        AssertionError, match="<Quarrelsome, whose repr raises RuntimeError> does not survive json"
    ):
        result_backend.assert_round_trip(Quarrelsome(1), serializer="json")


# -- broken stores


@on(SIX, "changes-values")
def test_a_value_that_comes_back_changed(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_round_trip({"n": 1})
    lines = said(caught, result_backend).splitlines()
    assert lines[:4] == [
        "{'n': 1} does not survive json on <backend>",
        "  expected: {'n': 1}",
        "  observed: {'wrapped': {'n': 1}}",
        "  first difference: key 'n' -> 'wrapped'",
    ]
    assert lines[4].startswith("  stored: b'")


@on(SIX, "drops-success")
def test_a_value_that_the_store_did_not_keep(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_round_trip([1], timeout=1)
    reason = (
        "no reader finds it"
        if "rpc" in result_backend.name
        else ("the store holds nothing after the worker stored SUCCESS")
    )
    assert said(caught, result_backend) == (
        "[1] does not survive json on <backend>\n"
        "  expected: [1]\n"
        f"  observed: rejected by the store: {reason}\n"
        "  so that: nothing is stored, and a client waits for ever"
    )


@on(("memory",), "refuses")
def test_a_value_that_the_store_refuses(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_round_trip([1])
    assert said(caught, result_backend).splitlines() == [
        "[1] does not survive json on <backend>",
        "  expected: [1]",
        "  observed: rejected by the store: OSError: disk full",
    ]


@on(("memory", "filesystem"), "cuts-short")
def test_a_value_that_the_store_cuts_short(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_round_trip("x" * 400)
    lines = said(caught, result_backend).splitlines()
    assert lines[0] == f"'{'x' * 76}... does not survive json on <backend>"
    assert lines[2].startswith(
        "  observed: stored, and no client can read it: DecodeError: Unterminated string"
    )


@on(("memory", "redis", "sqlite"), "flattens-errors")
def test_an_exception_of_which_the_text_alone_is_kept(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_round_trip(OutOfStock("sku-1"), via="exception")
    lines = said(caught, result_backend).splitlines()
    assert lines[:4] == [
        "OutOfStock('sku-1') does not survive json via exception on <backend>",
        "  expected: OutOfStock('sku-1')",
        "  observed: Exception('sku-1')",
        "  first difference: OutOfStock -> Exception",
    ]


@on(("memory", "redis"), "loses-tracebacks")
def test_an_exception_whose_traceback_is_lost(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_round_trip(ValueError("m"), via="exception")
    assert "  first difference: .__traceback__: nothing is stored for it" in str(caught.value).splitlines()


# -- broken serializers


@pytest.mark.backends("memory", "redis", "filesystem")
@wrong("rounds")
def test_a_serializer_that_rounds(serializer: str, result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_round_trip({"total": [1.25]}, serializer=serializer)
    lines = said(caught, result_backend).splitlines()
    assert lines[:4] == [
        "{'total': [1.25]} does not survive rounds on <backend>",
        "  expected: {'total': [1.25]}",
        "  observed: {'total': [1.2]}",
        '  first difference: ["total"][0]: 1.25 -> 1.2',
    ]


@pytest.mark.backends("memory")
@wrong("cannot-read")
def test_a_serializer_that_cannot_read_what_it_wrote(serializer: str, result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_round_trip(1, serializer=serializer)
    assert said(caught, result_backend).splitlines()[2] == (
        "  observed: stored, and no client can read it: "
        "DecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"
    )


@pytest.mark.backends("memory")
@pytest.mark.parametrize(
    ("serializer", "fault"),
    [
        ("gives-a-number", "dumps gave a int, 4; kombu takes str or bytes"),
        (
            "gives-lists",
            "loads gave a list, [('status', 'SUCCESS'), ('result', None), ('children', [])], "
            "for what dumps had made of a dict",
        ),
    ],
    indirect=["serializer"],
)
def test_a_serializer_that_gives_the_wrong_type(
    serializer: str, fault: str, result_backend: ResultBackend
) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.round_trip(1, serializer=serializer)
    assert (
        str(caught.value)
        == f"the serializer {serializer!r} gives what cannot be stored or read\n  because: {fault}"
    )


# -- compression


@pytest.mark.backend_requires("compression")
@ROUND
def test_a_compressed_result_is_smaller_and_reads_back(result_backend: ResultBackend) -> None:
    trip = result_backend.assert_compressed({"text": "la " * 1000}, saves=2500)
    assert (trip.outcome, trip.compression) == ("same", "gzip")
    assert trip.plain_size - trip.size == trip.saved >= 2500


@pytest.mark.filterwarnings("ignore:The .* result backend cannot store compressed payloads:UserWarning")
@ROUND
def test_what_is_declared_of_compression_is_so(result_backend: ResultBackend, result_app: Any) -> None:
    result_app.conf.result_compression = "gzip"
    trip = result_backend.round_trip("la " * 1000)
    assert trip.outcome == "same"
    assert (trip.compression == "gzip") == result_backend.supports(Capability.COMPRESSION)


@pytest.mark.backend_requires("compression")
@on(("redis", "filesystem"), "never-compresses")
def test_a_result_that_is_not_compressed(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_compressed("la " * 1000, method="zlib")
    lines = said(caught, result_backend).splitlines()
    assert lines[:2] == [
        "what is stored on <backend> is not compressed",
        "  expected: result_compression='zlib' in what the store holds",
    ]
    assert lines[2].endswith(" bytes as they were")


@pytest.mark.backend_requires("compression")
@pytest.mark.backends("redis")
def test_compression_that_saves_too_little(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.assert_compressed("x")
    lines = said(caught, result_backend).splitlines()
    assert lines[:2] == ["gzip saves too little on <backend>", "  expected: at least 1 bytes less"]


# -- limits


@pytest.mark.backends("memory-cuts-short", "memory")
def test_the_largest_result_is_found_by_trying(result_backend: ResultBackend) -> None:
    limit = result_backend.size_limit(up_to=1024)
    if result_backend.name == "memory":
        assert (limit.length, limit.beyond) == (1024, None)
        assert str(limit) == "1024 characters come back, and more may"
        return
    assert 64 <= limit.length < 400
    assert limit.beyond is not None
    assert (limit.beyond.outcome, limit.beyond.rejected_at) == ("rejected", "read")
    assert str(limit).startswith(
        f"{limit.length} characters come back ({limit.size} bytes stored), one more does not"
    )


@pytest.mark.backends("memory-drops-success")
def test_where_nothing_comes_back_there_is_no_limit(result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.size_limit(up_to=1024)
    assert str(caught.value) == (
        "not even 64 characters come back\n  observed: the store holds nothing after the worker stored SUCCESS"
    )


ODD_TEXTS = ["a\0b", "\x01\x1f\x7f\x85\u2028", "😀", "x" * 60_000]
#: Where a task's id cannot be what it likes; SQL's column has 155 characters, and only SQLite takes more.
ODD_IDS = {"with space": (), "ünïcode": (), "a.b:c": (), "x" * 300: ("filesystem", "postgres")}


@ROUND
def test_odd_texts_come_back(result_backend: ResultBackend) -> None:
    for text in ODD_TEXTS:
        result_backend.assert_round_trip(text)
        result_backend.assert_round_trip(ValueError(text.replace("\0", "")), via="exception")


@ROUND
def test_odd_ids(result_backend: ResultBackend) -> None:
    for task_id, refused in ODD_IDS.items():
        trip = result_backend.round_trip([1], task_id=task_id)
        wanted = ("rejected", "store", True) if result_backend.name in refused else ("same", "", False)
        assert (task_id, trip.outcome, trip.rejected_at, trip.is_lost) == (task_id, *wanted)


@pytest.mark.backends("postgres", "sqlite", "redis")
def test_texts_that_a_column_for_tracebacks_does_not_take(result_backend: ResultBackend) -> None:
    """NUL is none for PostgreSQL, half of a surrogate pair for neither: another error is stored instead."""
    refused = {"postgres": ["a\0b", "a\ud800b"], "sqlite": ["a\ud800b"], "redis": []}[result_backend.name]
    for text in ("a\0b", "a\ud800b"):
        trip = result_backend.round_trip(ValueError(text), via="exception")
        wanted = ("rejected", "store") if text in refused else ("same", "")
        assert (text, trip.outcome, trip.rejected_at) == (text, *wanted)


# -- mistakes


@pytest.mark.backends("memory")
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"via": "arguments"},
            "no value goes via 'arguments': did you mean 'argument'?\n"
            "  takes: 'result', 'argument', 'exception', 'meta', 'group', 'chord', 'extended', 'children', 'parent'",
        ),
        (
            {"serializer": "msgpak"},
            "no serializer is called 'msgpak': did you mean 'msgpack'?\n  registered: ",
        ),
        ({"via": "exception"}, "1 cannot be raised by a task\n  takes: an instance of Exception"),
    ],
    ids=["road", "serializer", "no exception"],
)
def test_mistakes_get_a_suggestion(
    given: dict[str, Any], message: str, result_backend: ResultBackend
) -> None:
    for method in (result_backend.round_trip, result_backend.assert_round_trip):
        with pytest.raises(AssertionError) as caught:
            method(1, **given)
        assert str(caught.value).startswith(message)


@pytest.mark.backends("memory")
def test_several_tasks_share_no_id(result_backend: ResultBackend) -> None:
    with pytest.raises(
        ValueError, match="via='group' takes several tasks, which share no id; type: via='result'"
    ):
        result_backend.round_trip(1, via="group", task_id="mine")


def test_a_trip_is_data() -> None:
    trip = RoundTrip(value=1, via="result", serializer="json", outcome="same", came_back=1)
    assert (trip.saved, trip.error, trip.rejected_at) == (0, "", "")


@pytest.mark.backends("memory", "sqlite")
def test_a_round_trip_in_between_is_none_of_the_tests_tasks(
    add: Any, result_backend: ResultBackend, result_worker: ResultWorker
) -> None:
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    assert result_backend.round_trip({"a": 1}).outcome == "same"
    recorder = result_backend._lease.recorder
    assert [timeline.task_id for timeline in recorder.timelines()] == [result.id]
    assert recorder.unfinished() == []
    again = add.delay(2, 2)
    result_backend.assert_transitions(again, "SUCCESS")


@pytest.mark.backends("memory")
def test_what_could_not_be_read_before_says_nothing_of_the_next_value(result_backend: ResultBackend) -> None:
    options: Any = {"via": "argument", "serializer": "json", "task_id": "fixed"}
    unreadable = {"__type__": "zzz", "__value__": 1}
    assert result_backend.round_trip(unreadable, **options).rejected_at == "worker"
    assert result_backend.round_trip(1, **options).outcome == "same"
