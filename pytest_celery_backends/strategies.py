"""Values that should survive a serializer, as Hypothesis makes them; the extra ``hypothesis`` brings it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any, Final

from .errors import NotInstalled
from .serializers import meant, registered

#: How many values there are at most inside of one.
LEAVES: Final = 12


def results(serializer: str = "json") -> Any:
    """A Hypothesis strategy of values that come back the same from a task under a serializer.

    What is known to become another value is left out: tuples, keys that are no strings and the like for JSON, keys in
    another order than the alphabet's for YAML. Of a serializer of your own the least is expected: what JSON, YAML
    and MessagePack all carry.

    Raises:
        ValueError: kombu knows no such serializer.
        NotInstalled: Hypothesis is not there.
    """
    if serializer not in registered():
        raise ValueError(f"no serializer is called {serializer!r}{meant(serializer, registered())}")
    return _STRATEGIES.get(serializer, _common)(_hypothesis().strategies)


def _hypothesis() -> Any:
    try:
        import hypothesis
        import hypothesis.strategies
    except ImportError:
        error = NotInstalled(
            "generated values need Hypothesis, which is not installed",
            remedy="pip install 'pytest-celery-backends[hypothesis]'",
        )
    else:
        return hypothesis
    raise error


def _text(st: Any) -> Any:
    # two surrogates in a row are one character once they were in JSON
    return st.text(st.characters(exclude_categories=("Cs",)))


def _recursive(st: Any, leaves: Any, keys: Any, arrange: Callable[[Any], Any] = lambda value: value) -> Any:
    def containers(inner: Any) -> Any:
        return st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4).map(arrange)

    return st.recursive(leaves, containers, max_leaves=LEAVES)


def _keys(st: Any) -> Any:
    # kombu reads a dictionary with this key as a value of a type that JSON does not have
    return _text(st).filter(lambda key: key != "__type__")


def _common(st: Any) -> Any:
    numbers = st.integers(-(2**63), 2**63 - 1) | st.floats()
    leaves = st.none() | st.booleans() | numbers | _text(st)
    return _recursive(st, leaves, _keys(st), _sorted)


def _json(st: Any) -> Any:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | _text(st) | st.binary() | st.uuids()
    moments = st.datetimes().map(_unfolded) | st.datetimes(timezones=_fixed_zones(st)).map(_unfolded)
    return _recursive(st, leaves | moments | st.dates() | st.decimals(allow_nan=False), _keys(st))


def _pickle(st: Any) -> Any:
    plain = st.none() | st.booleans() | st.integers() | st.floats() | _text(st) | st.binary()
    others = (
        st.complex_numbers() | st.decimals(allow_nan=False) | st.fractions() | st.uuids() | st.timedeltas()
    )
    moments = st.dates() | st.times() | st.datetimes() | st.datetimes(timezones=st.timezones())
    hashable = plain | others | moments | st.tuples(plain, plain)
    sets = st.frozensets(plain, max_size=4) | st.sets(plain, max_size=4)
    return _recursive(st, hashable | sets | st.tuples(plain, sets), hashable)


def _yaml(st: Any) -> Any:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | _text(st) | st.binary()
    return _recursive(st, leaves | st.dates() | st.datetimes().map(_unfolded), _text(st), _sorted)


def _msgpack(st: Any) -> Any:
    numbers = st.integers(-(2**63), 2**64 - 1) | st.floats()
    return _recursive(st, st.none() | st.booleans() | numbers | _text(st) | st.binary(), _text(st))


def _sorted(value: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(value.items()))


def _unfolded(moment: Any) -> Any:
    return moment.replace(fold=0)


def _fixed_zones(st: Any) -> Any:
    minutes = st.integers(-23 * 60, 23 * 60)
    return minutes.map(lambda each: datetime.timezone(datetime.timedelta(minutes=each)))


_STRATEGIES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "json": _json,
    "pickle": _pickle,
    "yaml": _yaml,
    "msgpack": _msgpack,
}


def falsified(serializer: str, fault_of: Callable[[Any], str], examples: int) -> tuple[Any, str] | None:
    """The simplest of *examples* values for a serializer that has a fault, and the fault; None where none has.

    The same values each time: what a test says depends on no chance.
    """
    strategy = results(serializer)
    hypothesis = _hypothesis()
    found: list[tuple[Any, str]] = []

    def holds(value: Any) -> None:
        fault = fault_of(value)
        if fault:
            found.append((value, fault))
            raise _Faulty

    settings = hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=True,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        report_multiple_bugs=False,
        verbosity=hypothesis.Verbosity.quiet,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    try:
        settings(hypothesis.given(strategy)(holds))()
    except _Faulty:
        return found[-1]  # Hypothesis ends with the simplest
    return None


class _Faulty(Exception):
    """A value has a fault; Hypothesis looks for a simpler one."""
