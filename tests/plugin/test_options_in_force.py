"""Options as users give them: what the header says, and what each of them does."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from running import RunTests, redis_from

# Imported before any run in this process: what such a run imports is forgotten by name and stays where it was imported.
from pytest_celery_backends import activation, outcomes, run, run_hooks, starting, summary  # noqa: F401
from pytest_celery_backends.options import OPTIONS
from pytest_celery_backends.polling import wait_until
from pytest_celery_backends.providers.groups import is_running

ADDS = "    assert add.delay(2, 2).get(timeout=5) == 4\n"
#: Nothing that is installed can satisfy it.
PINNED = 'import pytest\n@pytest.mark.backends("redis:0.1")\ndef test_one():\n    pass\n'

Look = Callable[..., pytest.RunResult]


@pytest.fixture(autouse=True)
def _alone(run_tests: RunTests, monkeypatch: pytest.MonkeyPatch) -> None:
    """No options but the test's, and no plugin but ours: loading all takes longer than most of these runs."""
    for option in OPTIONS:
        monkeypatch.delenv(option.variable, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p celery_backends")


@pytest.fixture
def look(pytester: pytest.Pytester) -> Look:
    """Run pytest in this process: for runs in which nothing is started."""
    return lambda *args: pytester.runpytest_inprocess("-p", "no:cacheprovider", *args)


# -- header, help


def test_the_header_shows_each_value_with_its_source_and_no_password(
    look: Look, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyprojecttoml(
        "[tool.pytest.ini_options]\n"
        'celery_backends_app = "shop.celery:app"\n'
        'celery_backends_report = ["out/a.json", "out/b.html"]\n'
        'celery_backends_timeout = "7"\n'
    )
    monkeypatch.setenv("PYTEST_CELERY_BACKENDS_PROVIDER", "redis=local embedded")
    monkeypatch.setenv("PYTEST_CELERY_BACKENDS_TIMEOUT", "8")
    monkeypatch.setenv("CI", "true")
    result = look(
        "--celery-backends=redis,postgres:17",
        "--celery-backends-url=redis=redis://:s3cret@localhost:1/0",
        "--celery-backends-url=postgres=postgresql://me:s3cret@localhost/db",
        "--celery-backends-keep",
    )
    assert result.outlines[2] == (
        "celery backends: backends=redis,postgres:17 (command line), app=shop.celery:app (ini), "
        "provider=redis=local,embedded (environment), "
        "url=redis=redis://:***@localhost:1/0,postgres=postgresql://me:***@localhost/db (command line), "
        "unavailable=fail (default: CI is set), timeout=8 (environment), "
        "report=out/a.json,out/b.html (ini), keep=yes (command line), leftovers=ignore (default)"
    )
    assert "s3cret" not in result.stdout.str() + result.stderr.str()


def test_the_header_of_a_run_without_options_shows_the_defaults(look: Look) -> None:
    assert look().outlines[2] == (
        "celery backends: backends=- (default), app=- (default), provider=auto (default), url=- (default), "
        "unavailable=skip (default: no CI), timeout=60 (default), report=- (default), keep=no (default), "
        "leftovers=ignore (default)"
    )


def test_values_come_from_pytest_ini_too(look: Look, pytester: pytest.Pytester) -> None:
    pytester.makeini(
        "[pytest]\ncelery_backends = redis sqlite\ncelery_backends_url =\n    redis=redis://a\n    postgres=b://c\n"
    )
    header = look().outlines[2]
    assert "backends=redis,sqlite (ini)" in header
    assert "url=redis=redis://a,postgres=b://c (ini)" in header


def test_help_has_every_option_on_the_command_line_and_in_the_ini_file(look: Look) -> None:
    lines = [line.strip() for line in look("--help").outlines]
    for option in OPTIONS:
        assert any(line.startswith(option.switch) for line in lines), option.switch
        assert any(line.startswith(f"{option.name} (") for line in lines), option.name


# -- unavailable


def test_what_is_not_to_be_had_is_skipped_and_explained_once(look: Look, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(PINNED + PINNED.replace("test_one", "test_two"))
    result = look("--celery-backends-provider=local")
    result.assert_outcomes(skipped=2)
    told = [line for line in result.outlines if "is not to be had here" in line]
    assert len(told) == 1
    assert told[0].startswith(
        "celery backends: unavailable: redis:0.1, 2 tests: redis:0.1 is not to be had here; local: "
    )


@pytest.mark.parametrize("how", ["CI", "environment", "command line"])
def test_what_is_not_to_be_had_fails_where_it_shall(
    look: Look, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how != "command line":
        monkeypatch.setenv("CI" if how == "CI" else "PYTEST_CELERY_BACKENDS_UNAVAILABLE", "fail")
    pytester.makepyfile(PINNED)
    args = ["--celery-backends-unavailable=fail"] if how == "command line" else []
    result = look("--celery-backends-provider=external", *args)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_one?redis:0.1?*",
            "redis:0.1 is not to be had here",
            "  external: no URL was given for redis",
            "  type: --celery-backends-url=redis=redis://:PASSWORD@localhost:6379/0",
        ],
        consecutive=True,
    )


def test_the_command_line_can_skip_in_ci(
    look: Look, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "1")
    pytester.makepyfile(PINNED)
    look("--celery-backends-provider=external", "--celery-backends-unavailable=skip").assert_outcomes(
        skipped=1
    )


def test_skip_and_xfail_marks_count_before_what_is_not_to_be_had(
    look: Look, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        'import pytest\npytestmark = pytest.mark.backends("redis:0.1")\n'
        '@pytest.mark.skip(reason="mine")\ndef test_one():\n    pass\n'
        '@pytest.mark.xfail(reason="mine")\ndef test_two():\n    pass\n'
    )
    result = look("--celery-backends-provider=external", "--celery-backends-unavailable=fail")
    result.assert_outcomes(skipped=1, xfailed=1)


# -- app, timeout, report, keep


def test_the_app_can_be_named_on_the_command_line(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(shop="from celery import Celery\nclass Parts:\n    app = Celery('the shop')\n")
    run_tests(
        '@pytest.mark.backends("memory")\ndef test_add(result_app):\n'
        "    assert result_app.main == 'the shop'\n" + ADDS,
        "--celery-backends-app=shop:Parts.app",
    ).assert_outcomes(passed=1)


def test_a_server_that_never_answers_is_given_up_after_the_timeout(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(redis_from("silent-server"))
    server = pytester.path / "silent-server"
    server.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho I say nothing\nexec sleep 60\n')
    server.chmod(0o755)
    result = run_tests(
        '@pytest.mark.backends("redis")\ndef test_add():\n' + ADDS,
        "--celery-backends-timeout=0.3",
        provider="auto",
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "redis did not answer within 0.3 s",
            "  Error 111 connecting to 127.0.0.1:*. Connection refused.",
            "  type: --celery-backends-timeout=1",
            "*Captured server log setup*",
            "I say nothing",
        ],
        consecutive=True,
    )


def test_each_report_is_written_where_it_was_asked_for(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    result = run_tests(
        '@pytest.mark.backends("memory", "rpc-memory")\ndef test_add():\n' + ADDS,
        "--celery-backends-report=out/a.json,out/b.md",
        "--celery-backends-report=c.html",
    )
    result.stdout.fnmatch_lines(
        [f"celery backends: wrote {name}" for name in ("out/a.json", "out/b.md", "c.html")], consecutive=True
    )
    table = json.loads((pytester.path / "out/a.json").read_text())
    assert [test["test"] for test in table["tests"]] == ["test_it.py::test_add"]
    assert {name: cell["cell"] for name, cell in table["tests"][0]["outcomes"].items()} == {
        "memory": "passed",
        "rpc-memory": "passed",
    }
    assert "| test_it.py::test_add |" in (pytester.path / "out/b.md").read_text().replace("`", "")
    assert "test_it.py::test_add" in (pytester.path / "c.html").read_text()


def test_a_report_that_cannot_be_written_is_told_and_the_run_does_not_count_as_passed(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    (pytester.path / "taken.md").mkdir()
    result = run_tests(
        '@pytest.mark.backends("memory")\ndef test_add():\n' + ADDS,
        "--celery-backends-report=taken.md,a.json",
    )
    result.assert_outcomes(passed=1)
    told = [line for line in result.outlines if line.startswith("celery backends: ") and " wr" in line]
    assert sorted(told) == [
        "celery backends: could not write taken.md: Is a directory",
        "celery backends: wrote a.json",
    ]
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_a_kept_server_is_told_also_where_the_run_breaks_off(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest("def pytest_runtest_logfinish():\n    raise RuntimeError('broken')\n")
    result = run_tests('@pytest.mark.backends("sqlite")\ndef test_add():\n' + ADDS, "--celery-backends-keep")
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    told = [line for line in result.errlines if line.startswith("celery backends: left running: ")]
    assert [line.split(": ")[2] for line in told] == ["sqlite", "the run's directory"]
    for command in re.findall(r"(?:stop it|stopped): (.*)\)", "\n".join(told)):
        subprocess.run(["/bin/sh", "-c", command], check=True, timeout=10)


def test_a_kept_server_is_told_can_be_reached_and_stopped_and_then_nothing_is_left(
    run_tests: RunTests,
) -> None:
    from redis import Redis

    result = run_tests(
        '@pytest.mark.backends("redis", "sqlite")\ndef test_add():\n' + ADDS, "--celery-backends-keep"
    )
    result.assert_outcomes(passed=2)
    prefix = "celery backends: left running: "
    told = [line.removeprefix(prefix) for line in result.outlines if line.startswith(prefix)]
    stop = [found[1] for line in told if (found := re.search(r"(?:stop it|stopped): (.*)\)$", line))]
    try:
        assert [line.split(": ")[0] for line in told] == ["redis", "sqlite", "the run's directory"]
        url = told[0].split()[1]
        with Redis.from_url(url) as client:
            assert client.ping()
            assert client.keys("pcb_*celery-task-meta-*"), "what the test stored can be looked at"
        group = int(re.findall(r"kill -9 -(\d+)", stop[0])[0])
        directory = Path(stop[-1].removeprefix("rm -r "))
        assert is_running(group)
        assert sorted(path.name for path in directory.glob("*-*")) == ["redis-1", "sqlite-1"]
    finally:
        for command in stop:
            subprocess.run(["/bin/sh", "-c", command], check=True, timeout=10)
    assert wait_until(lambda: not is_running(group), 2)
    assert not os.path.lexists(directory)
