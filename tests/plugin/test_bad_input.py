"""What users get wrong, and what they are told: at most six lines, the last one something to type."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator

import pytest
from running import RunTests, redis_from

from pytest_celery_backends.options import OPTIONS
from pytest_celery_backends.providers.container import ContainerProvider
from pytest_celery_backends.providers.run_directory import RunDirectory
from pytest_celery_backends.registry import Registry
from pytest_celery_backends.run import Run
from pytest_celery_backends.spec import Service

ADDS = "    assert add.delay(2, 2).get(timeout=5) == 4\n"
KNOWN = f"  known: {', '.join(Registry().names)}"

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
    """Run pytest in this process on one test module: for runs in which nothing is started."""

    def run(source: str, *args: str) -> pytest.RunResult:
        pytester.makepyfile(test_it="import pytest\n" + source)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", *args)

    return run


def message(result: pytest.RunResult, first: str) -> list[str]:
    """The lines of a message that begins like this, up to the line to type."""
    start = next(index for index, line in enumerate(result.outlines) if line.startswith(first))
    lines = result.outlines[start : start + 7]
    end = next((index for index, line in enumerate(lines) if line.startswith("  type: ")), len(lines))
    return lines[: end + 1]


def usage_error(result: pytest.RunResult) -> list[str]:
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "INTERNALERROR" not in result.stdout.str()
    return [line for line in result.errlines if line]


# -- names, markers


def test_an_unknown_backend_in_the_marker_is_a_collection_error(look: Look) -> None:
    result = look('@pytest.mark.backends("redis", "postgers:17")\ndef test_one():\n    pass\n')
    result.assert_outcomes(errors=1)
    assert message(result, "no backend") == [
        "no backend is called 'postgers': did you mean 'postgres'?",
        KNOWN,
        '  type: @pytest.mark.backends("postgres")',
    ]
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize("how", ["command line", "environment", "ini"])
def test_an_unknown_backend_in_the_option_is_a_usage_error(
    look: Look, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "environment":
        monkeypatch.setenv("PYTEST_CELERY_BACKENDS", "sqlite redsi")
    if how == "ini":
        pytester.makeini("[pytest]\ncelery_backends = sqlite redsi\n")
    args = ["--celery-backends=sqlite,redsi"] if how == "command line" else []
    assert usage_error(look('@pytest.mark.backends("redis")\ndef test_one():\n    pass\n', *args)) == [
        "ERROR: no backend is called 'redsi': did you mean 'redis'?",
        KNOWN,
        f"  given in: {how}, celery_backends",
        "  type: --celery-backends=sqlite,redis",
    ]


@pytest.mark.parametrize(
    ("option", "given", "name", "meant", "typed"),
    [
        ("provider", "auto,memroy=embedded", "memroy", "memory", "auto,memory=embedded"),
        ("provider", "xyz=embedded", "xyz", "", "auto"),
        ("url", "redsi=redis://:s3cret@h:1/0", "redsi", "redis", "redis=redis://:***@h:1/0"),
    ],
)
def test_an_unknown_backend_of_a_provider_or_url_is_answered_with_the_text_corrected(
    look: Look, option: str, given: str, name: str, meant: str, typed: str
) -> None:
    assert usage_error(look("", f"--celery-backends-{option}={given}")) == [
        f"ERROR: no backend is called {name!r}" + (f": did you mean {meant!r}?" if meant else ""),
        KNOWN,
        f"  given in: command line, celery_backends_{option}",
        f"  type: --celery-backends-{option}={typed}",
    ]


@pytest.mark.parametrize("given", ["memory,sqlite", "redis:7.2 sqlite"])
def test_several_names_in_one_text_are_answered_with_each_by_itself(look: Look, given: str) -> None:
    result = look(f'@pytest.mark.backends("{given}")\ndef test_one():\n    pass\n')
    result.assert_outcomes(errors=1)
    first, second = re.split("[, ]", given)
    assert message(result, "no backend") == [
        f"no backend is called {given!r}: the marker takes each name by itself",
        f'  type: @pytest.mark.backends("{first}", "{second}")',
    ]


def test_an_option_value_that_does_not_fit_is_a_usage_error_named_as_it_was_given(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_CELERY_BACKENDS_TIMEOUT", "soon")
    assert usage_error(look("def test_one():\n    pass\n")) == [
        "ERROR: PYTEST_CELERY_BACKENDS_TIMEOUT does not take 'soon': no positive number of seconds",
        "  given in: environment",
        "  help: seconds for a server to become ready (default: 60)",
        "  type: --celery-backends-timeout=60",
    ]


@pytest.mark.parametrize("password", ["s3[cret", "s3/cret"])
def test_a_url_whose_password_is_not_encoded_is_a_usage_error_that_does_not_show_it(
    look: Look, password: str
) -> None:
    lines = usage_error(look("", f"--celery-backends-url=redis=redis://:{password}@localhost/0"))
    assert lines[0].startswith(
        "ERROR: --celery-backends-url does not take 'redis=redis://:***@localhost/0': percent-encode the password "
    )
    assert lines[-1].startswith("  type: python -c ")
    assert password not in "".join(lines)


def test_wrong_arguments_of_backends_are_a_collection_error(look: Look) -> None:
    result = look('@pytest.mark.backends(["redis", "rpc"])\ndef test_one():\n    pass\n')
    result.assert_outcomes(errors=1)
    assert message(result, "@pytest.mark") == [
        "@pytest.mark.backends(['redis', 'rpc']): ['redis', 'rpc'] is no name",
        "  it takes: backends(*names): run the test once on each of these result backends "
        '("redis", "redis:7.2"); all, if none is named',
        '  type: @pytest.mark.backends("redis", "postgres")',
    ]


def test_an_unknown_capability_is_a_collection_error_with_a_guess(look: Look) -> None:
    result = look(
        '@pytest.mark.backends("redis")\n@pytest.mark.backend_requires("cords")\ndef test_one():\n    pass\n'
    )
    result.assert_outcomes(errors=1)
    assert message(result, "@pytest.mark") == [
        "@pytest.mark.backend_requires('cords'): no capability is called 'cords': did you mean 'chords'?",
        "  it takes: backend_requires(*capabilities): report the test as UNSUPPORTED on backends that lack one "
        "of these capabilities",
        '  type: @pytest.mark.backend_requires("chords")',
    ]


# -- the app


def test_what_is_wrong_with_the_app_and_the_celery_marker_is_told_without_a_traceback(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(broken="raise RuntimeError('no settings')\n")
    result = run_tests(
        '@pytest.mark.backends("memory")\ndef test_add():\n' + ADDS, "--celery-backends-app=broken:app"
    )
    result.assert_outcomes(errors=1)
    assert message(result, "celery_backends_app") == [
        "celery_backends_app = 'broken:app' leads to no Celery app",
        "  importing broken raised RuntimeError: no settings",
        "  type: --celery-backends-app=shop.celery:app",
    ]
    assert "Traceback" not in result.stdout.str()


def test_wrong_arguments_of_celery_are_told_when_the_test_is_set_up(run_tests: RunTests) -> None:
    result = run_tests(
        '@pytest.mark.backends("memory")\n@pytest.mark.celery({"result_expires": 60})\ndef test_add():\n'
        + ADDS
    )
    result.assert_outcomes(errors=1)
    assert message(result, "@pytest.mark") == [
        "@pytest.mark.celery({'result_expires': 60}): takes 0 positional arguments but 1 was given",
        "  it takes: celery(**settings): Celery settings for this test (Celery's own marker)",
        "  type: @pytest.mark.celery(result_expires=60)",
    ]


NO_SETTINGS = """
@pytest.fixture
def celery_backends_settings():
    {gives}

@pytest.mark.backends("memory")
def test_one():
    pass
"""


@pytest.mark.parametrize(
    ("gives", "what"),
    [("pass", "None"), ("return ['result_expires']", "something of type list")],
    ids=["nothing", "a list"],
)
def test_settings_that_are_none_are_told_with_what_to_return(look: Look, gives: str, what: str) -> None:
    result = look(NO_SETTINGS.format(gives=gives))
    result.assert_outcomes(errors=1)
    assert message(result, "the fixture") == [
        "the fixture celery_backends_settings gives no Celery settings",
        f"  it gives {what}, not a mapping",
        '  type: return {"result_expires": 60}',
    ]


NO_APP = """
@pytest.fixture(scope="session")
def celery_backends_app():
    from shop import app

@pytest.mark.backends("memory")
def test_one():
    pass
"""


def test_an_app_fixture_without_return_is_told_what_to_return(look: Look, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(shop="app = None\n")
    result = look(NO_APP)
    result.assert_outcomes(errors=1)
    assert message(result, "the fixture") == [
        "the fixture celery_backends_app leads to no Celery app",
        "  it gives None, not a Celery app",
        "  type: from shop.celery import app; return app",
    ]


# -- servers that are not to be had

FAIL = "--celery-backends-unavailable=fail"
ON_REDIS = '@pytest.mark.backends("redis")\ndef test_one():\n    pass\n'


def test_a_driver_that_is_not_installed_names_the_extra(look: Look, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import sys\nimport pytest\n"
        "@pytest.fixture(autouse=True, scope='session')\ndef _nothing():\n    yield\n"
        "def pytest_sessionstart():\n    sys.modules['psycopg2'] = None\n"
    )
    result = look(ON_REDIS.replace("redis", "postgres"), "--celery-backends-provider=embedded", FAIL)
    result.assert_outcomes(errors=1)
    assert message(result, "postgres needs") == [
        "postgres needs the Python module 'psycopg2', which is not installed",
        "  type: pip install 'pytest-celery-backends[postgres]'",
    ]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody else is given."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_an_engine_that_does_not_answer_is_named(
    run_tests: RunTests, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    pytest.importorskip("testcontainers")
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{closed_port}")
    result = run_tests(ON_REDIS, FAIL, provider="container")
    result.assert_outcomes(errors=1)
    assert message(result, "redis is not") == [
        "redis is not to be had here",
        f"  container: no container engine answers at tcp://127.0.0.1:{closed_port}",
        "  type: unset DOCKER_HOST",
    ]


@pytest.fixture
def engine() -> None:
    """A container engine that answers; the test is skipped where there is none."""
    run = RunDirectory()
    found = ContainerProvider(run).check(Registry().get("redis"), "")
    run.close()
    if not found.works:
        pytest.skip(found.reason)


NO_IMAGE = """
from dataclasses import replace

def pytest_celery_backends_register(registry):
    redis = registry.get("redis")
    source = replace(redis.source("container"), image="no-such-image-anywhere", tag="0.1")
    registry.register(replace(redis, sources=(source,)))
"""


@pytest.mark.usefixtures("engine")
def test_an_image_that_there_is_not_is_told_once_and_then_remembered(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(NO_IMAGE)
    source = ON_REDIS + ON_REDIS.replace("test_one", "test_two")
    result = run_tests(source, "--celery-backends-unavailable=fail", provider="container")
    result.assert_outcomes(errors=2)
    first = message(result, "no-such-image-anywhere:0.1 is not here")
    assert first[0] == "no-such-image-anywhere:0.1 is not here and could not be pulled"
    assert first[2:] == ["  type: docker pull no-such-image-anywhere:0.1"]
    again = message(result, "redis failed earlier")
    assert again[0] == (
        "redis failed earlier in this run: no-such-image-anywhere:0.1 is not here and could not be pulled"
    )
    assert again[1:] == first[1:]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("version", ["", ":0.2"])
def test_an_image_that_there_is_not_is_skipped_where_the_options_say_so(
    version: str, run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(NO_IMAGE)
    source = ON_REDIS.replace('"redis"', f'"redis{version}"')
    result = run_tests(source, "--celery-backends-unavailable=skip", "-rs", provider="container")
    result.assert_outcomes(skipped=1)
    image = f"no-such-image-anywhere{version or ':0.1'}"
    result.stdout.fnmatch_lines([f"*unavailable: {image} is not here and could not be pulled*"])
    result.stdout.fnmatch_lines(
        [f"celery backends: unavailable: redis{version}, 1 test: {image} is not here*"]
    )


def test_a_server_that_dies_at_its_start_is_told_with_its_log_and_then_remembered(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(redis_from("dying-server"))
    server = pytester.path / "dying-server"
    server.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && exit 0\n'
        'number=1\nwhile [ "$number" -le 30 ]; do echo "line $number"; number=$((number + 1)); done\nexit 1\n'
    )
    server.chmod(0o755)
    result = run_tests(ON_REDIS + ON_REDIS.replace("test_one", "test_two"), provider="auto")
    result.assert_outcomes(errors=2)
    assert message(result, "dying-server exited") == [
        "dying-server exited with 1 before it answered",
        "  its last words: line 30",
        "  type: pytest --celery-backends-list",
    ]
    assert message(result, "redis failed earlier") == [
        "redis failed earlier in this run: dying-server exited with 1 before it answered",
        "  its last words: line 30",
        "  type: pytest --celery-backends-list",
    ]
    sections = [index for index, line in enumerate(result.outlines) if "Captured server log setup" in line]
    assert len(sections) == 2
    for start in sections:
        assert result.outlines[start + 1 : start + 21] == [f"line {number}" for number in range(11, 31)]


@pytest.mark.parametrize(
    ("url", "lines"),
    [
        (
            "redis=http://me:s3cret@localhost/0",
            [
                "redis is not to be had here",
                "  external: http://me:***@localhost/0 is no URL of redis, which begins with redis:// or "
                "rediss:// or redis+socket://",
                "  type: --celery-backends-url=redis=redis://:PASSWORD@localhost:6379/0",
            ],
        ),
        (
            "sqlite=sqlite:////tmp/x",
            [
                "sqlite is not to be had here",
                "  external: sqlite needs no server, so it takes no URL",
                "  type: --celery-backends=sqlite",
            ],
        ),
    ],
    ids=["another scheme", "a backend without server"],
)
def test_a_url_that_does_not_fit_its_backend_is_refused(look: Look, url: str, lines: list[str]) -> None:
    name = url.partition("=")[0]
    result = look(
        f'@pytest.mark.backends("{name}")\ndef test_one():\n    pass\n', f"--celery-backends-url={url}", FAIL
    )
    result.assert_outcomes(errors=1)
    assert message(result, f"{name} ") == lines
    assert "s3cret" not in result.stdout.str()


def test_a_provider_that_has_nothing_for_a_backend_is_answered_with_one_that_has(look: Look) -> None:
    result = look(
        '@pytest.mark.backends("rpc-memory")\ndef test_one():\n    pass\n',
        FAIL,
        "--celery-backends-provider=rpc-memory=local",
    )
    result.assert_outcomes(errors=1)
    assert message(result, "rpc-memory is not") == [
        "rpc-memory is not to be had here",
        "  local: rpc-memory cannot be had from local binaries",
        "  type: --celery-backends-provider=rpc-memory=embedded",
    ]


@pytest.mark.parametrize("backend", ["redis", "postgres"])
def test_a_url_that_nobody_answers_at_is_told_with_how_to_look(
    run_tests: RunTests, closed_port: int, backend: str
) -> None:
    scheme = {"redis": "redis", "postgres": "postgresql"}[backend]
    url = f"{scheme}://me:s3cret@127.0.0.1:{closed_port}/0"
    result = run_tests(ON_REDIS.replace("redis", backend), f"--celery-backends-url={backend}={url}", FAIL)
    result.assert_outcomes(errors=1)
    lines = message(result, f"{backend} is not")
    assert lines[0] == f"{backend} is not to be had here"
    assert lines[1].startswith(
        f"  external: nothing answers at {scheme}://me:***@127.0.0.1:{closed_port}/0: "
    )
    assert lines[2:] == [f"  type: nc -vz 127.0.0.1 {closed_port}"]
    assert "s3cret" not in result.stdout.str()


@pytest.fixture
def guarded_redis() -> Iterator[Service]:
    """A Redis of the test's own that wants a password."""
    from pytest_celery_backends.options import resolve
    from pytest_celery_backends.selection import Choice

    run = Run(resolve({"celery_backends_provider": ["local,embedded"]}, {}, {}), lambda registry: None)
    choice = Choice(name="redis")
    error = run.plan(choice).error
    if error:
        run.close()
        pytest.skip(error.cause)
    yield run.service(choice)
    run.close()


def test_a_wrong_password_is_told_with_where_to_put_the_right_one(
    run_tests: RunTests, guarded_redis: Service
) -> None:
    host = guarded_redis.url.rpartition("@")[2]
    result = run_tests(ON_REDIS, f"--celery-backends-url=redis=redis://:wr0ng@{host}", FAIL)
    result.assert_outcomes(errors=1)
    lines = message(result, "redis is not")
    assert lines[0] == "redis is not to be had here"
    assert lines[1].startswith(
        f"  external: redis://:***@{host} refused us: the server does not accept user and password: "
    )
    assert lines[2:] == [f"  type: --celery-backends-url=redis=redis://:PASSWORD@{host}"]
    assert "wr0ng" not in result.stdout.str()


SHOWS = """
@pytest.mark.backends("redis")
def test_url(result_backend):
    assert result_backend.url == "x"

@pytest.mark.backends("redis")
def test_service(result_backend):
    assert result_backend.service.url == "x"

@pytest.mark.backends("redis")
def test_settings(result_backend):
    assert result_backend.settings == {}
"""


def test_a_failed_assertion_about_a_url_does_not_show_the_password(
    run_tests: RunTests, guarded_redis: Service
) -> None:
    password, _, host = guarded_redis.url.rpartition("@")
    password = password.rpartition(":")[2]
    result = run_tests(SHOWS, f"--celery-backends-url=redis={guarded_redis.url}", "-vv", "--showlocals", FAIL)
    result.assert_outcomes(failed=3)
    assert f":***@{host}" in result.stdout.str()
    assert password
    assert password not in result.stdout.str()
