"""What a test is told where a backend cannot do what a round trip asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    from running import RunTests

CONFTEST = """
from dataclasses import replace
from pytest_celery_backends.capabilities import Capability, no

def pytest_celery_backends_register(registry):
    lacks = (Capability.COMPRESSION, Capability.SERIALIZERS, Capability.CUSTOM_STATES)
    limits = {lack: no(f"acme has no {lack.label}") for lack in lacks}
    registry.register(replace(registry.get("memory"), name="acme", limits=limits))
"""

SOURCE = """
pytestmark = pytest.mark.backends("acme")

def test_compression(result_backend):
    result_backend.assert_compressed("la " * 100)

def test_serializer(result_backend):
    result_backend.assert_round_trip(1, serializer="pickle")

def test_road(result_backend):
    result_backend.round_trip(1, via="meta")

def test_what_it_can(result_backend):
    result_backend.assert_round_trip(1, serializer="json")
"""


def test_what_a_backend_lacks_makes_a_test_unsupported(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(CONFTEST)
    result = run_tests(SOURCE, "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*::test_compression?acme? UNSUPPORTED*",
            "*::test_serializer?acme? UNSUPPORTED*",
            "*::test_road?acme? UNSUPPORTED*",
            "*unsupported: acme, 1 test: result_compression='gzip' is not possible on acme: acme has no compression",
            "*unsupported: acme, 1 test: serializer='pickle' is not possible on acme: acme has no serializers",
            "*unsupported: acme, 1 test: a round trip via 'meta' is not possible on acme: acme has no custom_states",
        ]
    )
    assert result.ret == 0


def test_a_failure_that_is_about_something_else_is_one(run_tests: RunTests) -> None:
    tests = """
import pytest

@pytest.mark.backends("memory")
def test_fails_on_its_own(result_backend, result_app):
    result_app.backend.store_result("t1", 1, "SUCCESS")
    with pytest.raises(Exception, match="not possible on memory"):
        result_backend.assert_expires("t1", after=5)
    raise TypeError("Unsupported operand")
"""
    run_tests(tests).assert_outcomes(failed=1)
