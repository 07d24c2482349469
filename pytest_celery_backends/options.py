"""Every option, declared once: command line, environment, ini file and default, with its source."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .errors import BadOption

if TYPE_CHECKING:
    import pytest

Value = Any


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option; its three spellings share the stem ``name``.

    ``parse`` takes the texts that were given and returns the value, or raises ValueError.
    """

    name: str
    help: str
    parse: Callable[[Sequence[str]], Value]
    default: tuple[str, ...] = ()
    metavar: str = "VALUE"
    split: str = r"[,\s]+"
    flag: bool = False
    takes: str = ""

    @property
    def switch(self) -> str:
        """The spelling on the command line.

        >>> Option(name="celery_backends_app", help="", parse=list).switch
        '--celery-backends-app'
        """
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The spelling in the environment.

        >>> Option(name="celery_backends_app", help="", parse=list).variable
        'PYTEST_CELERY_BACKENDS_APP'
        """
        return "PYTEST_" + self.name.upper()

    @property
    def label(self) -> str:
        """The short name that the report header shows."""
        return self.name.removeprefix("celery_backends_").replace("celery_backends", "backends")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A value and where it came from."""

    value: Value
    source: str


def _only(texts: Sequence[str]) -> str:
    return texts[-1] if texts else ""


def _seconds(texts: Sequence[str]) -> float:
    try:
        seconds = float(_only(texts))
    except ValueError:
        seconds = 0
    if not seconds > 0:
        raise ValueError("no positive number of seconds")
    return seconds


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not (re.fullmatch(r"[\w-]+", name) and value):  # a URL alone may have an = of its own
            raise ValueError(f"{text!r} is not name=value")
        _check_url(value)
        pairs[name] = value
    return pairs


class _Unreadable(ValueError):
    """A URL of which nobody can tell where its password ends; the remedy asks for it and prints it encoded."""

    remedy = (
        """python -c "from urllib.parse import quote; from getpass import getpass; """
        """print(quote(getpass(), safe=''))\""""
    )


def _check_url(url: str) -> None:
    from .masking import is_readable

    if not is_readable(url):
        raise _Unreadable("percent-encode the password (/ is %2F, # is %23, ? is %3F, [ is %5B, @ is %40)")


def _providers(texts: Sequence[str]) -> dict[str, str]:
    """Kind by backend name; the empty name stands for all others."""
    kinds = {}
    for text in texts:
        name, _, kind = text.rpartition("=")
        if kind != "auto":
            _check_kind(kind)
        kinds[name] = kind
    return kinds


def _check_kind(text: str) -> None:
    from difflib import get_close_matches  # only where one is given: every run of pytest pays for those above

    from .spec import KINDS

    known = ("auto", *KINDS)
    if text not in known:
        close = get_close_matches(text, known, n=1)
        meant = f": did you mean {close[0]!r}?" if close else f", as {', '.join(known)} are"
        raise ValueError(f"{text!r} is no provider{meant}")


def _policy(texts: Sequence[str]) -> str:
    if _only(texts) not in ("fail", "skip"):
        raise ValueError(f"{_only(texts)!r} is neither fail nor skip")
    return _only(texts)


def _report_files(texts: Sequence[str]) -> list[str]:
    for text in texts:
        if not text.endswith((".json", ".md", ".html")):
            raise ValueError(f"{text!r} does not end in .json, .md or .html")
    return list(texts)


def _yes(texts: Sequence[str]) -> bool:
    word = _only(texts).lower()
    if word not in ("1", "true", "yes", "on", "0", "false", "no", "off", ""):
        raise ValueError(f"{word!r} is neither yes nor no")
    return word in ("1", "true", "yes", "on")


OPTIONS: Final = (
    Option(
        name="celery_backends",
        help="backends to run, others are deselected (default: as marked)",
        parse=list,
        metavar="NAMES",
        takes="redis,postgres",
    ),
    Option(
        name="celery_backends_app",
        help="the Celery app under test, as module:attribute",
        parse=_only,
        metavar="MODULE:ATTRIBUTE",
        takes="shop.celery:app",
    ),
    Option(
        name="celery_backends_provider",
        help="where servers come from: auto (default), external, container, local, embedded, or name=kind",
        parse=_providers,
        default=("auto",),
        metavar="KIND",
        takes="auto",
    ),
    Option(
        name="celery_backends_url",
        help="name=url of a server that is there already; repeatable",
        parse=_pairs,
        metavar="NAME=URL",
        split=r"\s+",
        takes="redis=redis://127.0.0.1:6379/0",
    ),
    Option(
        name="celery_backends_unavailable",
        help="what to do with tests on a backend that is not to be had: fail or skip "
        "(default: fail when CI is set, else skip)",
        parse=_policy,
        metavar="fail|skip",
        takes="skip",
    ),
    Option(
        name="celery_backends_timeout",
        help="seconds for a server to become ready (default: 60)",
        parse=_seconds,
        default=("60",),
        metavar="SECONDS",
        takes="60",
    ),
    Option(
        name="celery_backends_report",
        help="write the table of tests and backends to this file, .json, .md or .html; repeatable",
        parse=_report_files,
        metavar="FILE",
        split=r"[,\n]+",
        takes="backends.html",
    ),
    Option(
        name="celery_backends_keep",
        help="leave servers running, and print how to reach and stop them",
        parse=_yes,
        default=("no",),
        flag=True,
        takes="",
    ),
)


class Options:
    """The values in force.

    >>> options = resolve({}, {"PYTEST_CELERY_BACKENDS": "redis postgres"}, {})
    >>> options["celery_backends"], options.source("celery_backends")
    (['redis', 'postgres'], 'environment')
    """

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        self._settings = dict(settings)

    def __getitem__(self, name: str) -> Value:
        return self._settings[name].value

    def source(self, name: str) -> str:
        """Where a value came from."""
        return self._settings[name].source

    def provider(self, backend: str, *, needs_server: bool = True) -> str:
        """The kind of provider asked for: a URL forces ``external``.

        A kind that is given for all is not meant for backends that need no server.
        """
        if backend in self["celery_backends_url"]:
            return "external"
        kinds: dict[str, str] = self["celery_backends_provider"]
        for_all = kinds.get("", "auto") if needs_server else "auto"
        return kinds.get(backend, for_all)

    @property
    def names_backends(self) -> bool:
        """Whether any value names a backend; a provider without a name is for all."""
        naming = ("celery_backends", "celery_backends_provider", "celery_backends_url")
        return any(given for option in naming for given in self[option])

    def skips_unavailable(self, backend: str) -> bool:
        """Whether tests are skipped where a backend is not to be had.

        By default not where its URL was given: a URL that leads nowhere is a mistake.
        """
        is_default = self.source("celery_backends_unavailable").startswith("default")
        skips: bool = self["celery_backends_unavailable"] == "skip"
        return skips and not (is_default and backend in self["celery_backends_url"])

    def described(self) -> str:
        """The line for the report header."""
        return ", ".join(
            f"{option.label}={_shown(self[option.name])} ({self.source(option.name)})" for option in OPTIONS
        )


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        value = [_shown_pair(name, text) for name, text in value.items()]
    return (",".join(value) if isinstance(value, list) else str(value)) or "-"


def _shown_pair(name: str, text: str) -> str:
    if not name:
        return text
    from .masking import masked

    return f"{name}={masked(text)}"


def resolve(
    command_line: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    ini: Mapping[str, Sequence[str]],
) -> Options:
    """The values in force: command line before environment before ini file before default.

    Raises BadOption for a value that does not fit, naming where it was given.
    """
    settings = {}
    for option in OPTIONS:
        texts, source = _given(option, command_line, environment, ini)
        try:
            settings[option.name] = Setting(value=option.parse(texts), source=source)
        except ValueError as error:
            raise _bad(option, texts, source, error) from None
    return Options(settings)


def _given(
    option: Option,
    command_line: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    ini: Mapping[str, Sequence[str]],
) -> tuple[Sequence[str], str]:
    if command_line.get(option.name):
        return _words(option, command_line[option.name]), "command line"
    if environment.get(option.variable):
        return _words(option, [environment[option.variable]]), "environment"
    if ini.get(option.name):
        return _words(option, ini[option.name]), "ini"
    if option.name == "celery_backends_unavailable":
        return (["fail"], "default: CI is set") if environment.get("CI") else (["skip"], "default: no CI")
    return option.default, "default"


def _words(option: Option, texts: Sequence[str]) -> list[str]:
    return [word for text in texts for word in re.split(option.split, text.strip()) if word]


def _bad(option: Option, texts: Sequence[str], source: str, error: ValueError) -> BadOption:
    from .masking import masked

    places = {"environment": option.variable, "ini": option.name}
    cause = f"{places.get(source, option.switch)} does not take {' '.join(texts)!r}: {error}"
    takes = f"{option.switch}={option.takes}" if option.takes else option.switch
    return BadOption(
        # a URL may stand where none is taken; the quote behind it is not its own
        re.sub(r"\S+?(?='?:?(?:\s|$))", lambda word: masked(word[0]), cause),
        tried=[f"given in: {source}", f"help: {option.help}"],
        remedy=error.remedy if isinstance(error, _Unreadable) else takes,
    )


def declare(parser: pytest.Parser) -> None:
    """Declare the options to pytest."""
    group = parser.getgroup("celery-backends", "Celery result backends")
    for option in OPTIONS:
        if option.flag:
            group.addoption(
                option.switch, dest=option.name, action="store_const", const=["yes"], help=option.help
            )
        else:
            group.addoption(
                option.switch, dest=option.name, action="append", metavar=option.metavar, help=option.help
            )
        kind: Any = "string" if option.flag else "linelist" if "\\n" in option.split else "args"
        parser.addini(option.name, option.help, type=kind, default=None)
    group.addoption(
        "--celery-backends-list",
        dest="celery_backends_list",
        action="store_true",
        help="list the backends, what each needs, and whether it can run here",
    )


def from_config(config: pytest.Config) -> Options:
    """The values in force for a run of pytest; raises BadOption."""
    ini = {}
    for option in OPTIONS:
        given = config.getini(option.name)
        ini[option.name] = [given] if isinstance(given, str) else [str(text) for text in given or ()]
    command_line = {option.name: config.getoption(option.name) or () for option in OPTIONS}
    return resolve(command_line, os.environ, ini)
