"""What every error of ours looks like."""

from __future__ import annotations

import pytest

from pytest_celery_backends import errors
from pytest_celery_backends.errors import BackendsError, last_lines


def test_an_error_is_its_cause_then_what_was_tried_then_something_to_type() -> None:
    error = BackendsError("it is not there", tried=["here: no", "there: no"], remedy="pip install it")
    assert str(error).splitlines() == [
        "it is not there",
        "  here: no",
        "  there: no",
        "  type: pip install it",
    ]


def test_an_error_without_attempts_has_two_lines() -> None:
    assert str(BackendsError("it is not there", remedy="pip install it")) == (
        "it is not there\n  type: pip install it"
    )


@pytest.mark.parametrize("attempts", range(12))
def test_an_error_never_has_more_than_six_lines(attempts: int) -> None:
    lines = str(BackendsError("cause", tried=[str(n) for n in range(attempts)], remedy="x")).splitlines()
    assert len(lines) == min(attempts, 4) + 2
    assert lines[-1] == "  type: x"


def test_attempts_that_do_not_fit_are_counted() -> None:
    error = BackendsError("cause", tried=["a", "b", "c", "d", "e"], remedy="x")
    assert str(error).splitlines()[1:-1] == ["  a", "  b", "  c", "  ... and 2 more"]


def test_the_log_is_kept_apart_from_the_message() -> None:
    error = BackendsError("cause", remedy="x", log="a server said this")
    assert error.log == "a server said this"
    assert "said" not in str(error)


def test_what_was_tried_can_be_looked_at() -> None:
    error = BackendsError("cause", tried=["a"], remedy="x")
    assert (error.cause, error.tried, error.remedy) == ("cause", ("a",), "x")


@pytest.mark.parametrize(
    "name",
    ["UnknownBackend", "BadOption", "BadMarker", "AppNotFound", "Unavailable", "WorkerFailed", "WaitTimeout"],
)
def test_one_except_clause_catches_each_of_them(name: str) -> None:
    assert issubclass(getattr(errors, name), BackendsError)


def test_a_failed_start_is_a_backend_that_is_not_to_be_had() -> None:
    assert issubclass(errors.StartFailed, errors.Unavailable)


def test_last_lines_of_a_short_log_are_all_of_it() -> None:
    assert last_lines("a\nb\n", 20) == "a\nb"


def test_last_lines_of_a_long_log_are_the_end() -> None:
    assert last_lines("\n".join(map(str, range(30))), 3) == "27\n28\n29"
