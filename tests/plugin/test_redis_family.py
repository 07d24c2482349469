"""Servers of the Redis family as users meet them: several versions, failovers, URLs of sentinels."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from running import RunTests

from pytest_celery_backends.options import resolve
from pytest_celery_backends.run import Run
from pytest_celery_backends.selection import Choice
from pytest_celery_backends.spec import Service

VERSION = """
@pytest.mark.backends("{}")
def test_version(result_backend):
    print("RAN ON", result_backend.version)
    assert add.delay(2, 2).get(timeout=5) == 4
"""

FAILS_OVER = """
from celery.result import AsyncResult
from pytest_celery_backends import fail_over

@pytest.mark.backends("redis-sentinel")
@pytest.mark.celery(result_backend_always_retry=True, result_backend_max_retries=20)
def test_failover(result_backend, result_app):
    before = add.delay(1, 1)
    assert before.get(timeout=5) == 2
    old = result_backend.client.connection_pool.get_master_address()
    fail_over(result_backend)
    assert result_backend.client.connection_pool.get_master_address() != old
    after = add.delay(2, 2)
    result_backend.wait_for(after, "SUCCESS", timeout=10)
    assert after.result == 4
    assert AsyncResult(before.id, app=result_app).get(timeout=5) == 2
    assert {found.task_id for found in result_backend.stored()} == {before.id, after.id}
"""

NO_FAILOVER = """
from pytest_celery_backends import fail_over

@pytest.mark.backends("{backend}")
def test_failover(result_backend):
    assert add.delay(2, 2).get(timeout=5) == 4
    fail_over(result_backend)
"""


def _images(name: str) -> set[str]:
    try:
        listed = subprocess.run(
            ["docker", "images", name, "--format", "{{.Tag}}"], capture_output=True, text=True, timeout=10
        )
    except FileNotFoundError:
        return set()
    return set(listed.stdout.split())


@pytest.fixture
def sentinels() -> Iterator[Service]:
    """Sentinels that somebody else runs."""
    run = Run(resolve({"celery_backends_provider": ["local,embedded"]}, {}, {}), lambda registry: None)
    choice = Choice(name="redis-sentinel")
    try:
        if error := run.plan(choice).error:
            pytest.skip(error.cause)
        yield run.service(choice)
    finally:
        run.close()


@pytest.mark.parametrize("provider", ["local", "embedded"])
def test_a_server_of_another_version_is_never_taken(provider: str, run_tests: RunTests) -> None:
    source = VERSION.format("redis:99")
    result = run_tests(source, "--celery-backends-unavailable=skip", provider=provider)
    result.assert_outcomes(skipped=1)
    told = " ".join(result.stdout.str().split())
    assert "redis:99 is not to be had here" in told
    assert re.search(
        r"is (Redis|Valkey) [\d.]+, not Redis 99|there is no redis-server|is not installed", told
    )


def test_images_come_from_the_mirror_of_a_closed_network(
    run_tests: RunTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "8" not in _images("redis"):
        pytest.skip("the image redis:8 is not here")
    monkeypatch.setenv("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX", "mirror.invalid/hub/")
    source = '@pytest.mark.backends("valkey:8", "redis:8")\ndef test_it(result_backend): pass\n'
    result = run_tests(source, "--celery-backends-unavailable=fail", provider="container")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*mirror.invalid/hub/*is not here and could not be pulled"])
    result.stdout.fnmatch_lines(["*type: docker pull mirror.invalid/hub/*"])


@pytest.fixture
def mirror() -> Iterator[str]:
    """The prefix of a registry that nobody reaches, of which the images of redis and of the reaper are here."""
    if "8" not in _images("redis"):
        pytest.skip("the image redis:8 is not here")
    docker = pytest.importorskip("docker").from_env()
    prefix = f"mirror.invalid/{uuid4().hex[:8]}/"
    tags = [f"{prefix}{image}" for image in ("redis:8", "testcontainers/ryuk:0.8.1")]
    for tag in tags:
        docker.images.get(tag.removeprefix(prefix)).tag(tag)
    yield prefix
    for tag in set(tags) & {name for image in docker.images.list() for name in image.tags}:
        docker.images.remove(tag, force=True)
    docker.close()


@pytest.mark.parametrize("keeps_another_tag", [False, True], ids=["the tag itself", "another tag"])
def test_what_a_mirror_has_is_started(
    keeps_another_tag: bool, mirror: str, run_tests: RunTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX", mirror)
    if keeps_another_tag:  # the mirror lacks it, and the same image is here under its own name
        pytest.importorskip("docker").from_env().images.remove(f"{mirror}redis:8", force=True)
    source = '@pytest.mark.backends("redis")\ndef test_it(result_backend): pass\n'
    run_tests(source, "--celery-backends-unavailable=fail", provider="container").assert_outcomes(passed=1)


@pytest.mark.parametrize("provider", ["local", "embedded", "container"])
def test_results_survive_a_failover(provider: str, run_tests: RunTests) -> None:
    result = run_tests(FAILS_OVER, "--celery-backends-unavailable=skip", provider=provider)
    if result.parseoutcomes().get("skipped"):
        pytest.skip(f"no redis-sentinel by {provider} here")
    result.assert_outcomes(passed=1)


def test_a_backend_without_replica_says_so(run_tests: RunTests) -> None:
    result = run_tests(NO_FAILOVER.format(backend="memory"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*memory has no replica that could take over"])


def test_sentinels_given_by_url_are_used_and_left_as_they_are(
    sentinels: Service, run_tests: RunTests
) -> None:
    url = sentinels.url.replace("&replicas=1", "")
    option = f"--celery-backends-url=redis-sentinel={url}"
    source = NO_FAILOVER.format(backend="redis-sentinel")
    result = run_tests(source, option, "--celery-backends-unavailable=fail", provider="auto")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a failover of <*(external) at sentinel://*is not ours to start"])
    password = re.findall(r":([0-9a-f]{32})@", url)[0]
    assert password not in result.stdout.str() + result.stderr.str()


def test_all_servers_behind_sentinels_are_in_one_group_that_the_run_ends(sentinels: Service) -> None:
    group = int((Path(sentinels.handle["directory"]) / "pgid").read_text())
    listed = subprocess.run(
        ["ps", "-eo", "pgid=,comm="], capture_output=True, text=True, check=True, timeout=10
    )
    members = [line.split()[1] for line in listed.stdout.splitlines() if line.split()[0] == str(group)]
    assert len([name for name in members if re.match("redis-|valkey-", name)]) == 5


def test_processes_that_fail_over_at_the_same_time_have_servers_of_their_own(run_tests: RunTests) -> None:
    pytest.importorskip("xdist")
    source = """
from pytest_celery_backends import fail_over

@pytest.mark.backends("redis-sentinel")
@pytest.mark.celery(result_backend_always_retry=True, result_backend_max_retries=20)
@pytest.mark.parametrize("number", range(4))
def test_it(number, result_backend):
    fail_over(result_backend)
    result = add.delay(2, 2)
    result_backend.wait_for(result, "SUCCESS", timeout=20)
    assert result.result == 4  # read, not awaited: get() misses what comes while the server takes its SUBSCRIBE
"""
    result = run_tests(
        source, "-p", "xdist", "-n2", "--celery-backends-unavailable=skip", provider="local,embedded"
    )
    if result.parseoutcomes().get("skipped"):
        pytest.skip("no redis-sentinel by local or embedded here")
    result.assert_outcomes(passed=4)
