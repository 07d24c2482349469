"""Options: three spellings each, precedence, values, and what is said of values that do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_celery_backends.errors import BadOption
from pytest_celery_backends.options import OPTIONS, Options, from_config, resolve

#: Option, text to give, value in force.
VALUES: list[tuple[str, str, Any]] = [
    ("celery_backends", "redis,sqlite", ["redis", "sqlite"]),
    ("celery_backends_app", "shop.celery:app", "shop.celery:app"),
    ("celery_backends_provider", "redis=local,embedded", {"redis": "local", "": "embedded"}),
    ("celery_backends_url", "redis=redis://localhost:1/0", {"redis": "redis://localhost:1/0"}),
    ("celery_backends_unavailable", "fail", "fail"),
    ("celery_backends_timeout", "2.5", 2.5),
    ("celery_backends_report", "out/table.html", ["out/table.html"]),
    ("celery_backends_keep", "yes", True),
    ("celery_backends_leftovers", "fail except chord,queue", "fail except chord,queue"),
]
DEFAULTS: dict[str, Any] = {
    "celery_backends": [],
    "celery_backends_app": "",
    "celery_backends_provider": {"": "auto"},
    "celery_backends_url": {},
    "celery_backends_unavailable": "skip",
    "celery_backends_timeout": 60.0,
    "celery_backends_report": [],
    "celery_backends_keep": False,
    "celery_backends_leftovers": "ignore",
}
each_option = pytest.mark.parametrize(("name", "text", "value"), VALUES, ids=[name for name, _, _ in VALUES])


def resolved(
    command_line: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    ini: Mapping[str, str] | None = None,
) -> Options:
    def lists(texts: Mapping[str, str] | None) -> dict[str, list[str]]:
        return {name: [text] for name, text in (texts or {}).items()}

    return resolve(lists(command_line), environment or {}, lists(ini))


def variable(name: str) -> str:
    return f"PYTEST_{name.upper()}"


def said(name: str, text: str) -> list[str]:
    with pytest.raises(BadOption) as raised:
        resolved({name: text})
    return str(raised.value).splitlines()


# -- where values come from


def test_every_option_is_covered_here() -> None:
    assert [option.name for option in OPTIONS] == [name for name, _, _ in VALUES] == list(DEFAULTS)


@each_option
def test_a_value_comes_from_the_command_line(name: str, text: str, value: Any) -> None:
    options = resolved({name: text})
    assert (options[name], options.source(name)) == (value, "command line")


@each_option
def test_a_value_comes_from_the_environment(name: str, text: str, value: Any) -> None:
    options = resolved(environment={variable(name): text})
    assert (options[name], options.source(name)) == (value, "environment")


@each_option
def test_a_value_comes_from_the_ini_file(name: str, text: str, value: Any) -> None:
    options = resolved(ini={name: text})
    assert (options[name], options.source(name)) == (value, "ini")


@pytest.mark.parametrize("name", DEFAULTS)
def test_an_option_that_is_not_given_has_its_default(name: str) -> None:
    assert resolved()[name] == DEFAULTS[name]


@each_option
def test_the_command_line_wins_over_all_others(name: str, text: str, value: Any) -> None:
    other = {"celery_backends_unavailable": "skip", "celery_backends_timeout": "7"}.get(name, "")
    options = resolved({name: text}, {variable(name): other or text}, {name: other or text})
    assert (options[name], options.source(name)) == (value, "command line")


@each_option
def test_the_environment_wins_over_the_ini_file(name: str, text: str, value: Any) -> None:
    other = {"celery_backends_unavailable": "skip", "celery_backends_timeout": "7"}.get(name, "")
    options = resolved({}, {variable(name): text}, {name: other or text})
    assert (options[name], options.source(name)) == (value, "environment")


@each_option
def test_an_empty_variable_counts_as_not_set(name: str, text: str, value: Any) -> None:
    options = resolved({}, {variable(name): ""}, {name: text})
    assert (options[name], options.source(name)) == (value, "ini")


@each_option
def test_pytest_takes_each_option_on_its_command_line(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: Any
) -> None:
    alone(monkeypatch)
    switch = "--" + name.replace("_", "-")
    given = switch if name == "celery_backends_keep" else f"{switch}={text}"
    options = from_config(pytester.parseconfig("-p", "celery_backends", given))
    assert (options[name], options.source(name)) == (value, "command line")


def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No plugin but ours, no options but the test's."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("CI", raising=False)
    for option in OPTIONS:
        monkeypatch.delenv(option.variable, raising=False)


@pytest.mark.parametrize("file", ["pytest.ini", "pyproject.toml", "pyproject.toml with lists"])
def test_pytest_reads_all_of_them_from_its_ini_files(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    alone(monkeypatch)
    if file == "pytest.ini":
        lines = [f"{name} = {text}" for name, text, _ in VALUES]
        pytester.makeini("\n".join(["[pytest]", *lines]))
    elif file == "pyproject.toml":
        lines = [f'{name} = "{text}"' for name, text, _ in VALUES]
        pytester.makepyprojecttoml("\n".join(["[tool.pytest.ini_options]", *lines]))
    else:
        several = (
            "celery_backends",
            "celery_backends_provider",
            "celery_backends_url",
            "celery_backends_report",
        )
        lines = [
            f"{name} = {text.split(',')}" if name in several else f'{name} = "{text}"'
            for name, text, _ in VALUES
        ]
        pytester.makepyprojecttoml("\n".join(["[tool.pytest.ini_options]", *lines]))
    options = from_config(pytester.parseconfig("-p", "celery_backends"))
    assert {name: (options[name], options.source(name)) for name, _, _ in VALUES} == {
        name: (value, "ini") for name, _, value in VALUES
    }


native = pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest 8 does not read [tool.pytest]")


@native
def test_pytest_reads_each_with_its_natural_type_from_the_table_tool_pytest(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone(monkeypatch)
    lines = [
        f"{name} = {str(value).lower()}" for name, _, value in VALUES if isinstance(value, (bool, float))
    ]
    lines += [f'{name} = "{text}"' for name, text, value in VALUES if isinstance(value, str)]
    lines += [
        f"{name} = {text.split(',')}" for name, text, value in VALUES if isinstance(value, (list, dict))
    ]
    assert len(lines) == len(VALUES)
    pytester.makepyprojecttoml("\n".join(["[tool.pytest]", *lines]))
    options = from_config(pytester.parseconfig("-p", "celery_backends"))
    assert {name: (options[name], options.source(name)) for name, _, _ in VALUES} == {
        name: (value, "ini") for name, _, value in VALUES
    }


@native
def test_a_whole_number_and_no_are_read_from_the_table_tool_pytest(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone(monkeypatch)
    pytester.makepyprojecttoml("[tool.pytest]\ncelery_backends_timeout = 30\ncelery_backends_keep = false\n")
    options = from_config(pytester.parseconfig("-p", "celery_backends"))
    assert options.described().endswith(
        "timeout=30 (ini), report=- (default), keep=no (ini), leftovers=ignore (default)"
    )


@native
@pytest.mark.parametrize(
    ("line", "shown", "remedy"),
    [
        ('celery_backends = "redis"', "'redis'", 'celery_backends = ["redis", "postgres"]'),
        (
            'celery_backends_url = "redis=redis://:s3cret@h/0"',
            "'redis=redis://:***@h/0'",
            'celery_backends_url = ["redis=redis://127.0.0.1:6379/0"]',
        ),
        ("celery_backends_app = 5", "5", 'celery_backends_app = "shop.celery:app"'),
        ("celery_backends_timeout = [1]", "[1]", "celery_backends_timeout = 60"),
        ("celery_backends_keep = 2", "2", "celery_backends_keep = true"),
    ],
)
def test_a_type_that_an_option_does_not_take_is_told_with_one_that_it_takes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, line: str, shown: str, remedy: str
) -> None:
    alone(monkeypatch)
    pytester.makepyprojecttoml(f"[tool.pytest]\n{line}\n")
    result = pytester.runpytest_inprocess("-p", "celery_backends")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    name = line.partition(" ")[0]
    told = [text for text in result.errlines if text]
    # what stands between is pytest's, and differs between its releases
    assert told[0].startswith(f"ERROR: {name} cannot be read: {pytester.path / 'pyproject.toml'}: ")
    assert told[0].endswith(f": {shown}")
    assert told[1] == "  given in: ini"
    assert told[2].startswith("  help: ")
    assert told[3:] == [f"  type: {remedy}"]


# -- values


def test_names_are_parted_by_commas_and_blanks() -> None:
    assert resolved({"celery_backends": "redis, sqlite rpc"})["celery_backends"] == ["redis", "sqlite", "rpc"]


def test_an_option_given_twice_adds_up() -> None:
    options = resolve({"celery_backends_url": ["redis=redis://a", "postgres=postgresql://b"]}, {}, {})
    assert options["celery_backends_url"] == {"redis": "redis://a", "postgres": "postgresql://b"}


def test_an_app_given_twice_is_the_last_one() -> None:
    assert resolve({"celery_backends_app": ["a:app", "b:app"]}, {}, {})["celery_backends_app"] == "b:app"


def test_a_url_keeps_its_own_equals_signs_and_commas() -> None:
    url = "postgresql://u:p@h/db?options=-cstatement_timeout%3D5s&host=a,b"
    assert resolved({"celery_backends_url": f"postgres={url}"})["celery_backends_url"] == {"postgres": url}


@pytest.mark.parametrize("kind", ["auto", "external", "container", "local", "embedded"])
def test_each_kind_of_provider_can_be_named(kind: str) -> None:
    assert resolved({"celery_backends_provider": kind}).provider("redis") == kind


def test_a_provider_for_one_backend_leaves_the_others_alone() -> None:
    options = resolved({"celery_backends_provider": "redis=local"})
    assert (options.provider("redis"), options.provider("postgres")) == ("local", "auto")


def test_a_url_forces_external_whatever_the_provider_says() -> None:
    given = {"celery_backends_url": "redis=redis://localhost", "celery_backends_provider": "redis=local"}
    assert resolved(given).provider("redis") == "external"


@pytest.mark.parametrize("word", ["1", "true", "yes", "on", "YES"])
def test_keep_is_switched_on_by_words_that_mean_yes(word: str) -> None:
    assert resolved(ini={"celery_backends_keep": word})["celery_backends_keep"] is True


@pytest.mark.parametrize("word", ["0", "false", "no", "off"])
def test_keep_is_switched_off_by_words_that_mean_no(word: str) -> None:
    assert resolved({}, {"PYTEST_CELERY_BACKENDS_KEEP": word}, {"celery_backends_keep": "yes"})[
        "celery_backends_keep"
    ] is (False)


@pytest.mark.parametrize(
    ("environment", "value"), [({}, "skip"), ({"CI": ""}, "skip"), ({"CI": "true"}, "fail")]
)
def test_what_is_unavailable_fails_where_ci_is_set(environment: dict[str, str], value: str) -> None:
    assert resolved(environment=environment)["celery_backends_unavailable"] == value


def test_unavailable_can_be_set_against_ci() -> None:
    options = resolved(environment={"CI": "true", "PYTEST_CELERY_BACKENDS_UNAVAILABLE": "skip"})
    assert options["celery_backends_unavailable"] == "skip"


# -- what is shown


def test_the_description_of_defaults_says_so() -> None:
    assert resolved().described() == (
        "backends=- (default), app=- (default), provider=auto (default), url=- (default), "
        "unavailable=skip (default: no CI), timeout=60 (default), report=- (default), keep=no (default), "
        "leftovers=ignore (default)"
    )


def test_the_description_shows_each_value_with_its_source_and_no_password() -> None:
    options = resolve(
        {
            "celery_backends": ["redis,postgres:17"],
            "celery_backends_url": ["redis=redis://:s3cret@h:1/0", "postgres=postgresql://u:s3cret@h/db"],
            "celery_backends_keep": ["yes"],
        },
        {"CI": "1", "PYTEST_CELERY_BACKENDS_PROVIDER": "redis=local,embedded"},
        {
            "celery_backends_app": ["shop.celery:app"],
            "celery_backends_timeout": ["2.5"],
            "celery_backends_report": ["a.json", "b.md"],
        },
    )
    assert options.described() == (
        "backends=redis,postgres:17 (command line), "
        "app=shop.celery:app (ini), "
        "provider=redis=local,embedded (environment), "
        "url=redis=redis://:***@h:1/0,postgres=postgresql://u:***@h/db (command line), "
        "unavailable=fail (default: CI is set), "
        "timeout=2.5 (ini), "
        "report=a.json,b.md (ini), "
        "keep=yes (command line), leftovers=ignore (default)"
    )


# -- values that do not fit


@pytest.mark.parametrize("before", ["", "redis="])
def test_a_provider_that_is_mistyped_is_answered_with_the_text_corrected(before: str) -> None:
    lines = said("celery_backends_provider", f"local,{before}embeded")
    assert lines[0] == (
        f"--celery-backends-provider does not take 'local {before}embeded': "
        "'embeded' is no provider: did you mean 'embedded'?"
    )
    assert lines[-1] == f"  type: --celery-backends-provider=local,{before}embedded"


@pytest.mark.parametrize("text", ["=embedded", "redis:7.2=embedded"])
def test_a_provider_for_no_backend_is_not_one_for_all(text: str) -> None:
    assert said("celery_backends_provider", text) == [
        f"--celery-backends-provider does not take {text!r}: {text!r} is not name=kind",
        "  given in: command line",
        "  help: where servers come from: auto (default), external, container, local, embedded, or name=kind",
        "  type: --celery-backends-provider=auto",
    ]


def test_a_provider_that_there_is_not() -> None:
    assert said("celery_backends_provider", "redis=docker") == [
        "--celery-backends-provider does not take 'redis=docker': 'docker' is no provider, "
        "as auto, external, container, local, embedded are",
        "  given in: command line",
        "  help: where servers come from: auto (default), external, container, local, embedded, or name=kind",
        "  type: --celery-backends-provider=auto",
    ]


@pytest.mark.parametrize("text", ["redis", "redis=", "=redis://localhost"])
def test_a_url_without_name_or_name_without_url(text: str) -> None:
    assert said("celery_backends_url", text) == [
        f"--celery-backends-url does not take {text!r}: {text!r} is not name=value",
        "  given in: command line",
        "  help: name=url of a server that is there already; repeatable",
        "  type: --celery-backends-url=redis=redis://127.0.0.1:6379/0",
    ]


@pytest.mark.parametrize("rest", ["@localhost/0", "@localhost/db?options=-csearch_path%3Da"])
def test_a_url_without_name_is_refused_without_showing_its_password(rest: str) -> None:
    shown = f"postgresql://user:***{rest}"
    assert said("celery_backends_url", f"postgresql://user:s3cr@t{rest}") == [
        f"--celery-backends-url does not take {shown!r}: {shown!r} is not name=value",
        "  given in: command line",
        "  help: name=url of a server that is there already; repeatable",
        "  type: --celery-backends-url=redis=redis://127.0.0.1:6379/0",
    ]


@pytest.mark.parametrize("password", ["pa[ss", "pa/ss", "pa#ss", "pa?ss"])
def test_a_url_whose_password_is_not_encoded_is_refused_with_what_encodes_it(password: str) -> None:
    lines = said("celery_backends_url", f"redis=redis://:{password}@h/0")
    assert lines == [
        "--celery-backends-url does not take 'redis=redis://:***@h/0': percent-encode the password "
        "(/ is %2F, # is %23, ? is %3F, [ is %5B, @ is %40)",
        "  given in: command line",
        "  help: name=url of a server that is there already; repeatable",
        """  type: python -c "from urllib.parse import quote; from getpass import getpass; """
        """print(quote(getpass(), safe=''))\"""",
    ]


@pytest.mark.parametrize(
    "option", ["celery_backends_provider", "celery_backends_report", "celery_backends_timeout"]
)
def test_a_url_where_none_is_taken_is_shown_without_its_password(option: str) -> None:
    lines = said(option, "postgresql://me:s3cret@h/db")
    assert "'postgresql://me:***@h/db': " in lines[0]
    assert "s3cret" not in lines[0]


def test_a_policy_that_there_is_not() -> None:
    assert said("celery_backends_unavailable", "ignore") == [
        "--celery-backends-unavailable does not take 'ignore': 'ignore' is neither fail nor skip",
        "  given in: command line",
        "  help: what to do with tests on a backend that is not to be had: fail or skip "
        "(default: fail when CI is set or the backend's URL was given, else skip)",
        "  type: --celery-backends-unavailable=skip",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("soon", "no positive number of seconds"),
        ("0", "no positive number of seconds"),
        ("-1", "no positive number of seconds"),
        ("nan", "no positive number of seconds"),
    ],
)
def test_a_timeout_that_is_no_time(text: str, why: str) -> None:
    assert said("celery_backends_timeout", text) == [
        f"--celery-backends-timeout does not take {text!r}: {why}",
        "  given in: command line",
        "  help: seconds for a server to become ready (default: 60)",
        "  type: --celery-backends-timeout=60",
    ]


def test_a_report_of_another_kind() -> None:
    assert said("celery_backends_report", "table.pdf") == [
        "--celery-backends-report does not take 'table.pdf': 'table.pdf' does not end in .json, .md or .html, "
        "nor in / as a directory does",
        "  given in: command line",
        "  help: write the table of tests and backends to this file, .json, .md or .html; or what explains each "
        "failed test into this directory, DIR/; repeatable",
        "  type: --celery-backends-report=backends.html",
    ]


def test_a_word_that_is_neither_yes_nor_no() -> None:
    with pytest.raises(BadOption) as raised:
        resolved(ini={"celery_backends_keep": "perhaps"})
    assert str(raised.value).splitlines() == [
        "celery_backends_keep does not take 'perhaps': 'perhaps' is neither yes nor no",
        "  given in: ini",
        "  help: leave servers running, and print how to reach and stop them",
        "  type: --celery-backends-keep",
    ]


def test_a_bad_value_is_named_as_it_was_written() -> None:
    with pytest.raises(BadOption) as raised:
        resolved(environment={"PYTEST_CELERY_BACKENDS_TIMEOUT": "soon"})
    assert str(raised.value).splitlines()[:2] == [
        "PYTEST_CELERY_BACKENDS_TIMEOUT does not take 'soon': no positive number of seconds",
        "  given in: environment",
    ]


def test_a_kind_for_all_is_not_meant_for_backends_without_a_server() -> None:
    options = resolve({"celery_backends_provider": ["container", "sqlite=external"]}, {}, {})
    assert options.provider("redis") == "container"
    assert options.provider("memory", needs_server=False) == "auto"
    assert options.provider("sqlite", needs_server=False) == "external"


# -- beside pytest-xdist


def test_servers_are_kept_where_xdist_distributes_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xdist")
    alone(monkeypatch)
    result = pytester.runpytest_inprocess(
        "-p", "celery_backends", "-p", "xdist", "--celery-backends-keep", "-n0"
    )
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_given_url_that_leads_nowhere_is_no_reason_to_skip_unless_one_says_so() -> None:
    url = ["redis=redis://127.0.0.1:1/0"]
    options = resolve({"celery_backends_url": url}, {}, {})
    assert not options.skips_unavailable("redis")
    assert options.skips_unavailable("postgres")
    options = resolve({"celery_backends_url": url, "celery_backends_unavailable": ["skip"]}, {}, {})
    assert options.skips_unavailable("redis")
