"""A failed test explains itself: sections of its report, one line that repeats it, and a bundle of files."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from ast import literal_eval
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import RunTests

CONFTEST = """
import pytest
from celery import Celery

@pytest.fixture(scope="session")
def celery_backends_app():
    return Celery("shop", broker="redis://u:s3cret@production.invalid", task_track_started=True, result_expires=60)
"""
SOURCE = """
import pytest
from celery import group
from celery.result import GroupResult

pytestmark = pytest.mark.backends("redis", "memory", "sqlite", "rpc-memory")

class Odd:
    pass

@pytest.fixture
def add(result_worker):
    @result_worker.task(name="add")
    def add(x, y):
        return x + y
    return add

def test_fails(result_backend, add):
    result = add.delay(2, 2)
    result_backend.wait_for(result, "SUCCESS")
    assert result.get(timeout=5) == 5

@pytest.mark.backends("memory")
def test_stores_what_has_no_source(result_backend, result_app):
    result_app.conf.result_serializer = "pickle"
    result_app.backend.store_result("t1", Odd(), "ODD")
    assert 0

@pytest.fixture
def breaks(add, result_app):
    yield
    result_app.conf.result_expires = 77
    assert add.delay(2, 2).get(timeout=5) == 4
    raise KeyError("in its teardown")

@pytest.mark.backends("memory", "sqlite")
def test_breaks_at_its_end(breaks):
    pass

@pytest.mark.backends("memory")
def test_fails_and_breaks(breaks):
    assert 0, "in its call"

@pytest.mark.backends("memory")
def test_has_a_bundle_in_its_way(result_backend, request):
    (request.config.rootpath / "out").mkdir(exist_ok=True)
    (request.config.rootpath / "out" / "test_it.py-test_has_a_bundle_in_its_way-memory").write_text("")
    assert 0

class OutOfStock(LookupError):
    pass

@pytest.mark.backends("memory", "sqlite", "filesystem")
@pytest.mark.celery(result_serializer="pickle", accept_content=["json", "pickle"], task_track_started=False)
def test_goes_wrong(result_backend, result_app, result_worker, add):
    @result_worker.task(name="sell")
    def sell():
        raise OutOfStock("none", 3)
    result_backend.wait_for(sell.delay(), "FAILURE")
    result_backend.wait_for(add.apply_async((1, 1), expires=-1), "REVOKED")
    result_app.backend.store_result("by-hand", {1, 2}, "SUCCESS")
    result_app.AsyncResult("by-hand").forget()
    assert 0

@pytest.mark.backends("filesystem")
@pytest.mark.celery(result_extended=True)
def test_sends_a_group(result_app, add):
    result = group(add.s(1, 1), add.s(2, 2))()
    assert result.get(timeout=5) == [2, 4]
    result.save()
    assert GroupResult.restore(result.id, app=result_app) == result
    result.delete()
    assert 0

@pytest.mark.backends("memory")
def test_stores_nothing(result_backend):
    assert 0

@pytest.mark.backends("memory")
def test_is_skipped_in_its_middle(result_backend):
    pytest.skip("not here")

@pytest.mark.backends("redis")
def test_stops_its_server(result_backend, result_app):
    result_app.backend.store_result("t1", 4, "SUCCESS")
    result_backend.client.shutdown(nosave=True)
    raise ValueError("the test's own")
"""


@dataclass(frozen=True)
class Ran:
    """A run of pytest, and where."""

    output: str
    place: Path

    def section(self, test: str, title: str) -> list[str]:
        """The lines of one section of one test."""
        told = re.split(rf"_{{3,}} {re.escape(test)} _{{3,}}", self.output)[1]
        told = re.split(r"_{3,} \S+ _{3,}", told)[0]
        return re.split(
            r"\n-{3,}.*-{3,}\n|\n=====", told.partition(f"Captured {title} call ")[2].partition("\n")[2]
        )[0].splitlines()

    def bundle(self, test: str) -> dict[str, str]:
        """The files of a test's bundle, by name."""
        name = re.sub(r"[\[\]]", "-", f"test_it.py-{test}").strip("-")
        return {path.name: path.read_text() for path in (self.place / "out" / name).iterdir()}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Ran:
    """One run in which all of these tests fail."""
    place = tmp_path_factory.mktemp("failing")
    (place / "conftest.py").write_text(CONFTEST)
    (place / "test_it.py").write_text(SOURCE)
    asked = (
        "-p",
        "no:cacheprovider",
        "-p",
        "celery_backends",
        "-p",
        "xdist",
        "--celery-backends-report=out/",
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *asked,
            "--celery-backends-provider=embedded",
            *getattr(request, "param", ()),
        ],
        cwd=place,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ran(output=done.stdout, place=place)


def test_the_timeline_is_a_table(ran: Ran) -> None:
    head, *rows = ran.section("test_fails[redis]", "celery timelines")
    assert re.fullmatch(r"[0-9a-f-]{36}: STARTED \(\S+ ms\) -> SUCCESS \(\S+ ms\)", head)
    told = [re.split(r"  +", row.strip()) for row in rows]
    assert [row[1] for row in told if "read" not in row[1]] == [
        "published",
        "received",
        "started",
        "stored STARTED",
        "stored SUCCESS",
        "succeeded",
        "finished SUCCESS",
    ]
    assert [row[3] for row in told if row[1] == "stored SUCCESS"] == ["4"]
    assert all(re.fullmatch(r"\d+\.\d{3}", row[0]) for row in told)


def test_what_the_store_holds_is_shown_raw_and_decoded(ran: Ran) -> None:
    head, raw, decoded = ran.section("test_fails[redis]", "celery stored")
    assert re.fullmatch(r"task \S+ SUCCESS \(\d+ bytes\) at \S+, expires in (59|60) s", head)
    assert raw.startswith('  raw: b\'{"status": "SUCCESS"')
    assert decoded.startswith("  decoded: {'status': 'SUCCESS', 'result': 4")


def test_settings_that_are_not_celerys_defaults_are_shown_without_secrets(ran: Ran) -> None:
    lines = ran.section("test_fails[redis]", "celery settings")
    assert "task_track_started = True" in lines
    assert any(re.fullmatch(r"result_backend = 'redis://:\*+@127.0.0.1:\d+/0'", line) for line in lines)
    assert "s3cret" not in ran.output


def test_the_servers_last_words_are_shown(ran: Ran) -> None:
    assert any(
        "eady to accept connections" in line for line in ran.section("test_fails[redis]", "celery server")
    )


def test_one_line_repeats_the_test(ran: Ran) -> None:
    (line,) = ran.section("test_fails[sqlite]", "celery repeat")
    assert re.fullmatch(
        r"pytest 'test_it.py::test_fails\[sqlite\]'( -p \S+)* --celery-backends-provider=sqlite=embedded",
        line,
    )
    again = subprocess.run(
        [sys.executable, "-m", *shlex.split(line), "-p", "no:cacheprovider"],
        cwd=ran.place,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert re.search(r"(?m)^FAILED test_it.py::test_fails\[sqlite\] - ", again.stdout)
    assert re.search(r"(?m)^=+ 1 failed in", again.stdout)


SELECTED = """
def test_fails(result_backend):
    assert result_backend.url.endswith("nowhere")
"""


def test_one_line_repeats_what_options_have_chosen(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    """Without the marker a test runs on another backend, or on none, where the options are left out."""
    result = run_tests(SELECTED, "--celery-backends=memory", "-o", "celery_backends_timeout=7")
    (line,) = [line for line in result.outlines if line.startswith("pytest 'test_it.py::test_fails[memory]'")]
    assert " -o celery_backends_timeout=7 " in line
    assert " --celery-backends=memory " in line
    again = subprocess.run(
        [sys.executable, "-m", *shlex.split(line)],
        cwd=pytester.path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert re.search(r"(?m)^FAILED test_it.py::test_fails\[memory\] - ", again.stdout)
    assert "timeout=7 (ini)" in again.stdout


def test_a_task_that_stored_nothing_has_its_timeline(run_tests: RunTests) -> None:
    source = """
@pytest.mark.backends("memory")
def test_fails():
    assert add.apply_async((1, 1), countdown=60).get(timeout=0.01) == 2
"""
    result = run_tests(source)
    result.stdout.fnmatch_lines(["*Captured celery timelines call*", "*: nothing was stored", "*published*"])


def test_a_server_that_is_gone_hides_nothing_else(ran: Ran) -> None:
    test = "test_stops_its_server[redis]"
    (stored,) = ran.section(test, "celery stored")
    assert re.match(r"could not be read: (ConnectionError|TimeoutError): ", stored)
    assert ran.section(test, "celery timelines") != []
    assert "ValueError: the test's own" in ran.output


def test_a_test_that_is_skipped_in_its_middle_explains_nothing(ran: Ran) -> None:
    assert "test_is_skipped_in_its_middle" not in " ".join(
        path.name for path in (ran.place / "out").iterdir()
    )


@pytest.mark.parametrize("backend", ["redis", "memory", "sqlite", "rpc-memory"])
def test_a_bundle_has_all_of_that_as_files(ran: Ran, backend: str) -> None:
    files = ran.bundle(f"test_fails[{backend}]")
    expected = {
        *(
            "README.md",
            "environment.txt",
            "reproduce.py",
            "celery-repeat-call.txt",
            "celery-settings-call.txt",
        ),
        *("celery-stored-call.txt", "celery-timelines-call.txt", "celery-worker-call.txt"),
        *(["celery-server-call.txt"] if backend == "redis" else []),
    }
    absent = {
        "rpc-memory": {"reproduce.py", "celery-stored-call.txt"},  # it can be read once, and was
    }.get(backend, set())
    assert set(files) == expected - absent
    assert "assert 4 == 5" in files["README.md"]
    assert "software -> celery:" in files["environment.txt"]
    assert re.search(r"(?im)^kombu==", files["environment.txt"])
    assert not any("s3cret" in text for text in files.values())
    assert f"celery backends: wrote out/test_it.py-test_fails-{backend}" in ran.output.splitlines()


@pytest.mark.parametrize(("backend", "url"), [("memory", "cache+memory://"), ("sqlite", "db+sqlite:///")])
def test_what_fails_at_the_end_of_a_test_is_not_told_of_production(ran: Ran, backend: str, url: str) -> None:
    files = ran.bundle(f"test_breaks_at_its_end[{backend}]")
    assert "Its teardown failed:" in files["README.md"]
    quote = {"memory": "'", "sqlite": '"'}[backend]
    assert f'os.environ.get("RESULT_BACKEND") or {quote}{url}' in files["reproduce.py"]
    settings = files["celery-settings-teardown.txt"].splitlines()
    assert any(line.startswith(f"result_backend = '{url}") for line in settings)
    assert "result_expires = 77" in settings
    assert "results:disabled" not in files["environment.txt"]
    assert "INTERNALERROR" not in ran.output


def test_a_bundle_has_all_that_failed(ran: Ran) -> None:
    files = ran.bundle("test_fails_and_breaks[memory]")
    phases = re.findall(r"(?m)^Its (\w+) failed:|^E +(.+)$", files["README.md"])
    assert [first or second for first, second in phases if "assert 0" not in second] == [
        *("call", "AssertionError: in its call", "teardown", "KeyError: 'in its teardown'"),
    ]
    assert {"celery-settings-call.txt", "celery-settings-teardown.txt"} <= set(files)
    assert (
        ran.output.splitlines().count("celery backends: wrote out/test_it.py-test_fails_and_breaks-memory")
        == 1
    )


def test_a_bundle_that_cannot_be_written_ends_nothing(ran: Ran) -> None:
    (line,) = [line for line in ran.output.splitlines() if line.startswith("celery backends: no bundle of ")]
    assert "test_has_a_bundle_in_its_way[memory]: FileExistsError: " in line


def test_a_script_repeats_the_calls_without_us(ran: Ran, tmp_path: Path) -> None:
    script = ran.bundle("test_fails[redis]")["reproduce.py"]
    assert re.findall(r"(?m)^(?:import|from) (\S+)", script) == [
        *("os", "celery", "celery.app.task", "celery.result")
    ]
    assert re.search(r"(?m)^    docker run --rm -p 6379:6379 redis:\S+ .*&$", script)
    assert "or 'redis://:reproduce@127.0.0.1:6379/0')" in script
    (tmp_path / "reproduce.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "reproduce.py"],
        cwd=tmp_path,
        env={**os.environ, "RESULT_BACKEND": f"db+sqlite:///{tmp_path}/results.db"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = [line.partition(": ")[2] for line in done.stdout.splitlines() if ": stored " in line]
    assert re.fullmatch(r"stored STARTED \{.*\}, read STARTED \{.*\}", told[0])
    assert told[1:] == ["stored SUCCESS 4, read SUCCESS 4"]


@pytest.mark.parametrize("backend", ["sqlite", "filesystem", "memory"])
def test_a_script_runs_as_its_head_says(ran: Ran, tmp_path: Path, backend: str) -> None:
    """The test's own store is gone by then."""
    (tmp_path / "reproduce.py").write_text(ran.bundle(f"test_goes_wrong[{backend}]")["reproduce.py"])
    done = subprocess.run(
        [sys.executable, "reproduce.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    told = [
        line.partition(": ")[2] for line in done.stdout.splitlines() if not line.startswith("by-hand: read")
    ]
    assert [line.partition(", read")[0] for line in told if "PENDING" not in line] == [
        "stored FAILURE OutOfStock('none', 3)",
        "stored REVOKED TaskRevokedError('expired')",
        "stored SUCCESS {1, 2}",
        "forgotten",
    ]


def test_a_script_has_requests_and_groups(ran: Ran, tmp_path: Path) -> None:
    (tmp_path / "reproduce.py").write_text(ran.bundle("test_sends_a_group[filesystem]")["reproduce.py"])
    done = subprocess.run(
        [sys.executable, "reproduce.py"],
        cwd=tmp_path,
        env={**os.environ, "RESULT_BACKEND": f"db+sqlite:///{tmp_path}/results.db"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = [line.partition(": ")[2] for line in done.stdout.splitlines()]
    ids = [line.partition(": ")[0] for line in done.stdout.splitlines() if "stored SUCCESS" in line]
    saved = next(place for place, line in enumerate(told) if line == "saved")
    assert told[saved] == "saved"
    assert sorted(literal_eval(told[saved + 1].removeprefix("restored "))) == sorted(ids)
    assert told[-1] == "deleted"
    with closing(sqlite3.connect(tmp_path / "results.db")) as database:
        rows = database.execute("select name, args, queue, retries from celery_taskmeta order by result")
        assert [(name, json.loads(args), *rest) for name, args, *rest in rows] == [
            ("add", [1, 1], "celery", 0),
            ("add", [2, 2], "celery", 0),
        ]


@pytest.mark.parametrize(
    ("test", "why"),
    [
        ("test_fails[rpc-memory]", "a result is a message: once it was taken it is gone"),
        ("test_stores_what_has_no_source[memory]", "a value of type Odd has no form in source code"),
        ("test_stores_nothing[memory]", "the test stored nothing"),
    ],
)
def test_where_there_is_no_script_the_bundle_says_why(ran: Ran, test: str, why: str) -> None:
    files = ran.bundle(test)
    assert "reproduce.py" not in files
    assert f"There is no script that repeats the calls without this plugin: {why}." in files["README.md"]


@pytest.mark.parametrize("ran", [("-n2",)], indirect=True, ids=["-n2"])
def test_processes_of_xdist_write_bundles_too(ran: Ran) -> None:
    assert "assert 4 == 5" in ran.bundle("test_fails[sqlite]")["README.md"]
    assert "celery backends: wrote out/test_it.py-test_fails-sqlite" in ran.output.splitlines()
    assert "Its teardown failed:" in ran.bundle("test_breaks_at_its_end[memory]")["README.md"]
    assert "INTERNALERROR" not in ran.output


def test_what_an_app_was_is_not_kept_for_tests_that_are_over(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        "import gc\n"
        "from pytest_celery_backends.evidence import Captured\n"
        "def pytest_sessionfinish():\n"
        "    print('kept', sum(isinstance(each, Captured) for each in gc.get_objects()))\n"
    )
    source = (
        "import pytest\n"
        "@pytest.mark.backends('memory')\n"
        "@pytest.mark.parametrize('n', range(3))\n"
        "def test_one(n):\n"
        "    assert n\n"
    )
    ran = run_tests(source, "-s")
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(["*kept 0*"])
