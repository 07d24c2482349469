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
