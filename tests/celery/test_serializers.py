"""Serializers against their contract, generated values, and tables of what becomes of what."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from messages import said
from odd_values import registered

from pytest_celery_backends import BackendsError, ResultBackend, strategies
from pytest_celery_backends.comparison import difference
from pytest_celery_backends.corpus import VALUES
from pytest_celery_backends.exception_corpus import EXCEPTIONS

hypothesis = pytest.importorskip("hypothesis")
serialization = pytest.importorskip("kombu.serialization")


@pytest.fixture
def serializer(request: pytest.FixtureRequest) -> Iterator[str]:
    """A serializer that is wrong in the way of the parameter."""
    with registered(request.param) as name:
        yield name


def wrong(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("serializer", names, indirect=True)


# -- the contract


@pytest.mark.backends("redis", "memory")
@wrong("is-right")
def test_a_serializer_that_keeps_its_contract(serializer: str, result_backend: ResultBackend) -> None:
    result_backend.serializer_contract(serializer)


@pytest.mark.backends("redis", "memory")
@wrong("is-plain-json")
def test_a_serializer_that_changes_values(serializer: str, result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.serializer_contract(serializer)
    headline, *rows = said(caught, result_backend).splitlines()
    assert headline == (
        "serializer 'is-plain-json' breaks its contract on <backend>: "
        f"{len(rows)} of {len(VALUES)} values of the corpus and 50 generated ones"
    )
    assert rows[:3] == [
        "  empty_tuple: silently changed: tuple -> list",
        "  str_subclass: silently changed: Name -> str",
        "  tuple: silently changed: tuple -> list",
    ]
    broken = [row.split(":")[0].strip() for row in rows]
    result_backend.serializer_contract(serializer, except_for=broken)


@pytest.mark.backends("memory")
@wrong("rounds")
def test_what_the_corpus_does_not_find_hypothesis_does(
    serializer: str, result_backend: ResultBackend
) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.serializer_contract(serializer)
    generated = str(caught.value).splitlines()[-1]
    assert re.fullmatch(r"  generated: -?\d*\.\d+(e-\d+)?: silently changed: .+ -> .+", generated)


@pytest.mark.backends("memory")
@wrong("cannot-read")
def test_a_serializer_whose_results_nobody_can_read(serializer: str, result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.serializer_contract(serializer, examples=0)
    headline, first, *_, last = said(caught, result_backend).splitlines()
    assert headline.startswith("serializer 'cannot-read' breaks its contract on <backend>: ")
    assert first.startswith(
        "  none: stored, and no client can read it: DecodeError: 'utf-8' codec can't decode"
    )
    assert re.fullmatch(r"  \.\.\.: and \d+ more", last)


@pytest.mark.backends("memory")
@wrong("is-right")
def test_an_exception_to_the_contract_that_is_none(serializer: str, result_backend: ResultBackend) -> None:
    with pytest.raises(AssertionError) as caught:
        result_backend.serializer_contract(serializer, examples=0, except_for=["tuple"])
    assert str(caught.value).splitlines()[1] == "  tuple: is named in except_for, and holds"
    with pytest.raises(
        AssertionError, match="no value of the corpus is called 'tupel': did you mean 'tuple'?"
    ):
        result_backend.serializer_contract(serializer, except_for=["tupel"])


# -- generated values


@pytest.mark.parametrize("name", ["json", "pickle", "yaml", "msgpack"])
def test_generated_values_survive(name: str) -> None:
    pytest.importorskip({"json": "kombu", "pickle": "kombu"}.get(name, name))

    def holds(value: object) -> None:
        content_type, encoding, raw = serialization.dumps(value, name)
        assert (
            difference(value, serialization.loads(raw, content_type, encoding, accept=[content_type])) == ""
        )

    settings = hypothesis.settings(max_examples=100, deadline=None, database=None, derandomize=True)
    settings(hypothesis.given(strategies.results(serializer=name))(holds))()


def test_values_for_a_serializer_that_nobody_knows() -> None:
    with pytest.raises(ValueError) as caught:
        strategies.results("picle")
    assert str(caught.value) == "no serializer is called 'picle': did you mean 'pickle'?"


def test_without_hypothesis_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(BackendsError) as caught:
        strategies.results()
    assert str(caught.value) == (
        "generated values need Hypothesis, which is not installed\n"
        "  type: pip install 'pytest-celery-backends[hypothesis]'"
    )


def test_hypothesis_is_imported_when_it_is_needed() -> None:
    source = "import sys, pytest_celery_backends.result_backend; print('hypothesis' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == "False\n"


def test_the_corpus_makes_its_values_anew() -> None:
    assert len(VALUES) > 80
    for name, make in {**VALUES, **EXCEPTIONS}.items():
        if name not in ("local_class", "lambda", "arg_lambda"):
            assert (name, difference(make(), make())) == (name, "")


# -- tables


@pytest.mark.backends("memory")
def test_a_table_of_values_serializers_and_backends(result_backend: ResultBackend) -> None:
    values = {"tuple": (1, 2), "a|b": {1}}
    table = result_backend.round_trip_table(values, ("json", "pickle"), ("memory", "filesystem", "redis"))
    assert table.text().splitlines()[:2] == [
        "value  serializer  memory                                              "
        "filesystem                                          redis",
        "tuple  json        changed: tuple -> list                              "
        "changed: tuple -> list                              changed: tuple -> list",
    ]
    assert table.cell("tuple", "json", "redis").outcome == "changed"
    trip = table.cell("a|b", "json", "filesystem").trip
    assert trip is not None
    assert (trip.rejected_at, trip.value) == ("worker", {1})
    lines = table.markdown().splitlines()
    assert lines[0] == "| value | serializer | memory | filesystem | redis |"
    assert lines[2].startswith("| `tuple` | json | changed: tuple -\\> list | changed: tuple -\\> list |")
    assert lines[5] == "| `a\\|b` | pickle | same | same | same |"
    assert '<td><code>tuple</code></td><td>pickle</td><td class="same">same</td>' in table.html()


@pytest.mark.backends("memory")
def test_a_table_says_what_cannot_be_told(result_backend: ResultBackend) -> None:
    table = result_backend.round_trip_table({"one": 1}, ("pickle",), ("memory", "django-cache"))
    cell = table.cell("one", "pickle", "django-cache")
    assert (cell.outcome, cell.trip) == ("unsupported", None)
    assert cell.reason == "Django pickles what is cached, whatever result_serializer says"


@pytest.mark.backends("memory")
def test_a_table_of_this_backend_alone(result_backend: ResultBackend) -> None:
    assert result_backend.round_trip_table({"one": 1}).text().splitlines() == [
        "value  serializer  memory",
        "one    json        same",
        "one    pickle      same",
    ]


@pytest.mark.backends("memory-changes-values")
def test_a_table_shows_a_broken_backend(result_backend: ResultBackend) -> None:
    table = result_backend.round_trip_table({"one": 1}, ("json",), ("memory-changes-values", "memory"))
    assert table.text().splitlines()[1] == "one    json        changed: int -> dict   same"


@pytest.mark.backends("memory")
def test_a_table_of_a_backend_that_nobody_knows(result_backend: ResultBackend) -> None:
    with pytest.raises(BackendsError, match="no backend is called 'redsi': did you mean 'redis'?"):
        result_backend.round_trip_table({"one": 1}, ("json",), ("redsi",))
