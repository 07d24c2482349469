"""What a test is told where time cannot be made to pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    from running import RunTests

CONFTEST = """
from dataclasses import replace
from pytest_celery_backends.capabilities import Capability, no

def pytest_celery_backends_register(registry):
    limits = {Capability.TIME_TRAVEL: no("its clock is its own")}
    registry.register(replace(registry.get("sqlite"), name="acme", limits=limits))
"""

SOURCE = """
@pytest.mark.backends("acme", "sqlite")
@pytest.mark.celery(result_expires=60)
def test_expiry(result_backend, result_app):
    result = add.delay(1, 1)
    result_backend.wait_for(result, "SUCCESS")
    result_backend.advance(61)
    result_app.backend.cleanup()
    assert result_backend.stored() == []

@pytest.mark.backends("acme")
def test_the_next_test_is_not_concerned(result_backend):
    assert add.delay(1, 1).get(timeout=5) == 2
"""


def test_a_server_that_goes_by_its_own_clock_makes_a_test_unsupported(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(CONFTEST)
    result = run_tests(SOURCE, "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "*::test_expiry?acme? UNSUPPORTED*",
            "unsupported: acme, 1 test: advance(61) is not possible on acme: its clock is its",
            "  own",
        ]
    )
    assert result.ret == 0
