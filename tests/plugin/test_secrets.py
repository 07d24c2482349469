"""No password is anywhere in what a run says or writes, but for ``--celery-backends-keep``, which is for that."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest

from pytest_celery_backends.options import resolve
from pytest_celery_backends.run import Run as PytestRun
from pytest_celery_backends.selection import Choice

TESTS = """
import os
import re
import warnings
from pathlib import Path
from urllib.parse import urlsplit
import pytest
from celery import shared_task

pytestmark = pytest.mark.backends(*os.environ["BACKENDS"].split())

@shared_task
def boom():
    raise ValueError("boom")

@pytest.fixture
def where(result_backend, result_service):
    '''Notes the passwords, for whoever looks for them afterwards.'''
    for url in (result_service.url, result_backend.url):
        with Path(os.environ["PASSWORDS"]).open("a") as file:
            named = re.findall("(?:AccountKey|_password)=([^;&]+)", url)
            file.write(" ".join([urlsplit(url).password or "", *named, ""]))
    print(result_service, repr(result_service.url), result_backend.settings)
    warnings.warn(f"ran on {result_service}")
    return result_service

def test_equal(where, result_backend):
    assert where.url == "something else"

def test_nearly_equal(where, result_backend):
    assert result_backend.url == result_backend.url + "x" * 3

def test_in(where):
    assert "something else" in where.url

def test_not_in(where):
    assert "127.0.0.1" not in where.url

def test_starts(where):
    assert where.url.startswith("nothing")

def test_settings(where, result_backend):
    assert result_backend.settings == {"result_backend": "something else"}

def test_not_in_settings(where, result_backend):
    assert "result_backend" not in result_backend.settings

def test_locals(where, result_backend, result_app, result_worker, result_service):
    url, settings, client = where.url, result_backend.settings, result_backend.client
    nested = {"where": [url, (settings,)]}
    assert not result_backend

def test_remote_traceback(where):
    boom.delay().get(timeout=5)

def test_states(where, result_backend):
    result_backend.assert_transitions(boom.delay(), "SUCCESS")

def test_waits(where, result_backend):
    result_backend.wait_for("unknown", "SUCCESS", timeout=0.1)

def test_client_error(where, result_backend):
    result_backend.client.no_such_thing()

@pytest.fixture
def breaks(where):
    yield
    raise RuntimeError(f"teardown on {where} {where.url!r}")

def test_teardown(breaks):
    pass
"""
FAILURES = TESTS.count("\ndef test_")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the tests in a process of its own; their passwords go to the file ``passwords``."""
    (tmp_path / "test_it.py").write_text(TESTS)

    def run(
        *args: str, backends: str, provider: str = "embedded", **more: str
    ) -> subprocess.CompletedProcess[str]:
        clean = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
        clean.pop("CI", None)
        environment = {**clean, "BACKENDS": backends, "PASSWORDS": str(tmp_path / "passwords"), **more}
        plugins = ("-p", "no:cacheprovider", "-p", "celery_backends")
        command = [sys.executable, "-m", "pytest", *plugins, f"--celery-backends-provider={provider}", *args]
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )

    return run


def _passwords(directory: Path) -> set[str]:
    """What must not be seen, as it is and as it stands in a URL."""
    plain = set((directory / "passwords").read_text().split())
    (directory / "passwords").unlink()
    assert plain, "the tests ran on servers with passwords"
    assert all(len(password) >= 8 for password in plain)
    return {form for password in plain for form in (password, quote(password, safe=""), unquote(password))}


def _leaks(passwords: set[str], ran: subprocess.CompletedProcess[str], directory: Path) -> list[str]:
    """Every line with a password, of what was printed and of every file that was written."""
    texts = {"stdout": ran.stdout, "stderr": ran.stderr}
    for path in directory.rglob("*"):
        if path.is_file():
            texts[path.name] = path.read_text(errors="replace")
    return [
        f"{name}: {line}"
        for name, text in texts.items()
        for line in text.splitlines()
        if any(password in line for password in passwords)
    ]


REPORTS = (
    "--celery-backends-report=out/a.json",
    "--celery-backends-report=out/b.md",
    "--celery-backends-report=out/c.html",
    "--junitxml=out/junit.xml",
    "-ojunit_logging=all",
)


@pytest.mark.parametrize(
    "style",
    [
        ("-vv", "-l", "--tb=long"),
        ("-v", "--tb=native", "-s"),
        ("-rA", "-l", "--full-trace", "--log-level=DEBUG"),
    ],
    ids=lambda style: " ".join(style),
)
def test_a_private_servers_password_is_nowhere(style: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    ran = run(*style, *REPORTS, backends="redis postgres")
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stdout + ran.stderr
    assert _leaks(_passwords(tmp_path), ran, tmp_path) == []
    assert f"{2 * FAILURES - 2} failed, 2 passed" in ran.stdout  # test_teardown passes, then fails
    assert all((tmp_path / "out" / name).exists() for name in ("a.json", "b.md", "c.html", "junit.xml"))


#: Their secrets stand in no URL's password, in several places, or in settings of their own.
PROVIDERS = {
    "azureblob": ("local", "container"),
    "dynamodb": ("container",),
    "mariadb": ("local", "container"),
    "redis-sentinel": ("local", "embedded", "container"),
    "rpc": ("local", "container"),
    "s3": ("container",),
}


def provider_here(backend: str) -> str:
    """The first provider that can give a backend on this machine; skips where none can."""
    reasons = []
    for provider in PROVIDERS[backend]:
        run = PytestRun(resolve({"celery_backends_provider": [provider]}, {}, {}), lambda registry: None)
        try:
            error = run.plan(Choice(name=backend)).error
        finally:
            run.close()
        if error is None:
            return provider
        reasons.append(error.cause)
    pytest.skip(", ".join(reasons))


@pytest.mark.parametrize("backend", PROVIDERS)
def test_nor_is_a_secret_that_is_no_urls_password(backend: str, run: Run, tmp_path: Path) -> None:
    ran = run("-vv", "-l", "--tb=long", *REPORTS, backends=backend, provider=provider_here(backend))
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stdout + ran.stderr
    assert f"{FAILURES - 1} failed, 1 passed" in ran.stdout, ran.stdout[-2000:]
    assert _leaks(_passwords(tmp_path), ran, tmp_path) == []


def test_nor_is_it_under_xdist(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    ran = run("-p", "xdist", "-n2", "-vv", "-l", "--tb=long", *REPORTS, backends="redis postgres")
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stdout + ran.stderr
    assert _leaks(_passwords(tmp_path), ran, tmp_path) == []


def test_nor_is_that_of_a_server_given_by_url(run: Run, tmp_path: Path) -> None:
    kept = run("-k", "test_teardown", "--celery-backends-keep", backends="redis")
    (line,) = re.findall(r"left running: redis: (.*)", kept.stdout)
    stop = re.findall(r"(?:stop it|stopped): ([^)]*)\)", kept.stdout)
    try:
        url = line.split()[0]
        password = urlsplit(url).password
        assert password in _passwords(tmp_path), "for this it is told"
        assert f"(look into it: redis-cli -u '{url.replace('//:', '//default:')}')" in line
        given = f"--celery-backends-url=redis={url}"
        ran = run(given, "-vv", "-l", "--tb=long", *REPORTS, backends="redis")
        assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stdout + ran.stderr
        assert _leaks(_passwords(tmp_path), ran, tmp_path) == []
        by_ini = run("-o", f"celery_backends_url=redis={url}", "-vv", *REPORTS, backends="redis")
        assert by_ini.returncode == pytest.ExitCode.TESTS_FAILED, by_ini.stdout + by_ini.stderr
        assert "-o 'celery_backends_url=redis=redis://:***@" in by_ini.stdout
        assert _leaks(_passwords(tmp_path), by_ini, tmp_path) == []
        listed = run(given, "--celery-backends-list", backends="redis")
        assert re.search(r"redis +redis:// .*\(external: redis://:\*\*\*@127.0.0.1:\d+/0\)", listed.stdout)
        assert _leaks({password}, listed, tmp_path) == []
        wrong = run(given.replace(password, "not-" + password), "-rs", backends="redis")
        assert "refused us" in wrong.stdout
        assert _leaks({password}, wrong, tmp_path) == []
    finally:
        for command in stop:
            subprocess.run(["/bin/sh", "-c", command], check=True, timeout=10)
