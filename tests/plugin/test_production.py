"""Nothing ever asks for the production servers, on any backend."""

from __future__ import annotations

import pytest
from running import RunTests, watched_production


def test_no_connection_is_attempted_to_the_production_urls(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        watched_production(
            'broker="redis://production.invalid:6379/0", backend="redis://production.invalid:6379/1"'
        )
    )
    result = run_tests(
        "from celery import chain, group\n"
        "@pytest.mark.backends('redis', 'postgres', 'sqlite', 'filesystem', 'rpc-memory', 'memory')\n"
        "def test_all(celery_backends_app):\n"
        "    assert chain(add.s(1, 1), add.s(1))().get(timeout=5) == 3\n"
        "    assert group(add.s(n, n) for n in range(3))().get(timeout=5) == [0, 2, 4]\n"
        "    with pytest.raises(ValueError):\n"
        "        boom.delay().get(timeout=5)\n"
        "    add.apply_async((1, 1), countdown=60).revoke()\n"
        "    assert celery_backends_app.control.inspect(timeout=0.2).ping()\n"
        "def test_between_and_after():\n"
        "    pass\n",
        "-s",
    )
    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(["*ASKED FOR PRODUCTION: ?]", "WATCHED: True"])


def test_the_watch_sees_an_app_that_is_not_rewired(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        watched_production(
            'broker="redis://production.invalid:6379/0", backend="redis://production.invalid:6379/1"'
        )
    )
    result = run_tests(
        "def test_unmarked(celery_backends_app):\n"
        "    with pytest.raises(Exception):\n"
        "        celery_backends_app.backend.client.ping()\n",
        "-s",
    )
    result.stdout.fnmatch_lines(["*ASKED FOR PRODUCTION: ?'production.invalid'*"])


PRODUCTION = "redis://:s3cret@production.invalid:6379/0"
LED_AWAY = f"""
class TestFixture:
    @pytest.fixture(params=["result_backend", "CELERY_RESULT_BACKEND", "BROKER_URL"])
    def celery_backends_settings(self, request):
        return {{"result_expires": 60, request.param: "{PRODUCTION}"}}

    @pytest.mark.backends("memory")
    def test_one(self):
        add.delay(1, 1).get(timeout=5)

class TestMarker:
    @pytest.mark.celery(result_backend="{PRODUCTION}")
    @pytest.mark.backends("memory", "sqlite:3")
    def test_one(self):
        add.delay(1, 1).get(timeout=5)

    @pytest.mark.celery(SHOP_BROKER_READ_URL="{PRODUCTION}")
    @pytest.mark.backends("memory")
    def test_two(self):
        add.delay(1, 1).get(timeout=5)

class TestHook:
    @pytest.mark.backends("filesystem", "rpc-memory")
    def test_one(self):
        add.delay(1, 1).get(timeout=5)
"""
HOOK = f"""
def pytest_celery_backends_settings(settings, backend):
    if backend == "filesystem":
        settings["result_backend"] = "{PRODUCTION}"
    if backend == "rpc-memory":
        settings["SHOP_BROKER_URL"] = "{PRODUCTION}"
"""


def test_settings_that_lead_to_other_servers_are_refused_wherever_they_are_given(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(watched_production(f'broker="{PRODUCTION}", namespace="SHOP"') + HOOK)
    result = run_tests(LED_AWAY, "-s")
    result.assert_outcomes(errors=8)
    fixture, marker, hook = (
        "celery_backends_settings",
        "@pytest.mark.celery",
        "pytest_celery_backends_settings",
    )
    expected = [
        ("result_backend", fixture, "memory"),
        ("CELERY_RESULT_BACKEND", fixture, "memory"),
        ("BROKER_URL", fixture, "memory"),
        ("result_backend", marker, "memory"),
        ("result_backend", marker, "sqlite:3"),
        ("SHOP_BROKER_READ_URL", marker, "memory"),
        ("result_backend", hook, "filesystem"),
        ("SHOP_BROKER_URL", hook, "rpc-memory"),
    ]
    told = [number for number, line in enumerate(result.outlines) if " would lead the test away " in line]
    messages = [result.outlines[number : number + 3] for number in told]
    assert sorted(messages) == sorted(
        [
            f"{key} in {place} would lead the test away from the servers that it is given",
            "  results go to the backend that the marker names, tasks to a broker of the test's own",
            f'  type: @pytest.mark.backends("{backend}")  # and no {key} in {place}',
        ]
        for key, place, backend in expected
    )
    assert "s3cret" not in result.stdout.str()
    result.stdout.fnmatch_lines(["*ASKED FOR PRODUCTION: ?]"])
