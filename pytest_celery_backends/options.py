"""Every option, declared once: command line, environment, ini file and default, with its source."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import pytest

Value = Any
Given = Mapping[str, Sequence[str]]
Kind = Literal["names", "text", "providers", "urls", "policy", "seconds", "files", "flag", "leftovers"]


class Option:
    """One option; its three spellings share the stem ``name``.

    Its *kind* says how the texts that are given become a value, see ``option_values.PARSERS``; *split* is what
    parts several, *takes* an example. No dataclass, for every run of pytest would pay for what that generates.
    """

    def __init__(
        self,
        name: str,
        help_text: str,
        *,
        kind: Kind,
        default: Value,
        metavar: str = "",
        split: str = r"[,\s]+",
        takes: str = "",
    ) -> None:
        self.name, self.help, self.kind, self.default = name, help_text, kind, default
        self.metavar, self.split, self.takes = metavar, split, takes

    @property
    def switch(self) -> str:
        """The spelling on the command line: ``--celery-backends-app``."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The spelling in the environment: ``PYTEST_CELERY_BACKENDS_APP``."""
        return "PYTEST_" + self.name.upper()

    @property
    def label(self) -> str:
        """The short name that the report header shows."""
        return self.name.removeprefix("celery_backends_").replace("celery_backends", "backends")


OPTIONS: Final = (
    Option(
        "celery_backends",
        "backends to run, others are deselected (default: as marked)",
        kind="names",
        default=[],
        metavar="NAMES",
        takes="redis,postgres",
    ),
    Option(
        "celery_backends_app",
        "the Celery app under test, as module:attribute",
        kind="text",
        default="",
        metavar="MODULE:ATTRIBUTE",
        takes="shop.celery:app",
    ),
    Option(
        "celery_backends_provider",
        "where servers come from: auto (default), external, container, local, embedded, or name=kind",
        kind="providers",
        default={"": "auto"},
        metavar="KIND",
        takes="auto",
    ),
    Option(
        "celery_backends_url",
        "name=url of a server that is there already; repeatable",
        kind="urls",
        default={},
        metavar="NAME=URL",
        split=r"\s+",
        takes="redis=redis://127.0.0.1:6379/0",
    ),
    Option(
        "celery_backends_unavailable",
        "what to do with tests on a backend that is not to be had: fail or skip "
        "(default: fail when CI is set or the backend's URL was given, else skip)",
        kind="policy",
        default="skip",
        metavar="fail|skip",
        takes="skip",
    ),
    Option(
        "celery_backends_timeout",
        "seconds for a server to become ready (default: 60)",
        kind="seconds",
        default=60.0,
        metavar="SECONDS",
        takes="60",
    ),
    Option(
        "celery_backends_report",
        "write the table of tests and backends to this file, .json, .md or .html; or what explains each failed test "
        "into this directory, DIR/; repeatable",
        kind="files",
        default=[],
        metavar="FILE",
        split=r"[,\n]+",
        takes="backends.html",
    ),
    Option(
        "celery_backends_keep",
        "leave servers running, and print how to reach and stop them",
        kind="flag",
        default=False,
    ),
    Option(
        "celery_backends_leftovers",
        "what a passed test may leave: ignore (default), fail, or 'fail except chord,subscription'",
        kind="leftovers",
        default="ignore",
        metavar="ignore|fail",
        takes="fail",
    ),
)


class Options:
    """The values in force."""

    def __init__(self, in_force: Mapping[str, tuple[Value, str]]) -> None:
        self._in_force = in_force

    def __getitem__(self, name: str) -> Value:
        return self._in_force[name][0]

    def source(self, name: str) -> str:
        """Where a value came from."""
        return self._in_force[name][1]

    def provider(self, backend: str, *, needs_server: bool = True) -> str:
        """The kind of provider asked for: a URL forces ``external``.

        A kind that is given for all is not meant for backends that need no server.
        """
        if backend in self["celery_backends_url"]:
            return "external"
        kinds: dict[str, str] = self["celery_backends_provider"]
        return kinds.get(backend, kinds.get("", "auto") if needs_server else "auto")

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
        is_mistake = is_default and backend in self["celery_backends_url"]
        return bool(self["celery_backends_unavailable"] == "skip" and not is_mistake)

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
    if isinstance(value, dict) and any(value):
        from .masking import masked  # here, for hardly any run needs it

        value = [f"{name}={masked(text)}" if name else text for name, text in value.items()]
    value = value.values() if isinstance(value, dict) else [value] if isinstance(value, str) else value
    return ",".join(value) or "-"


def resolve(command_line: Given, environment: Mapping[str, str], ini: Given) -> Options:
    """The values in force: command line before environment before ini file; BadOption names where it was given."""
    return Options({option.name: _in_force(option, command_line, environment, ini) for option in OPTIONS})


def _in_force(
    option: Option, command_line: Given, environment: Mapping[str, str], ini: Given
) -> tuple[Value, str]:
    given = (
        (command_line.get(option.name), "command line"),
        ([text] if (text := environment.get(option.variable)) else None, "environment"),
        (ini.get(option.name), "ini"),
    )
    for texts, source in given:
        if texts:
            from .option_values import value_of

            return value_of(option, texts, source), source
    if option.name == "celery_backends_unavailable":
        return ("fail", "default: CI is set") if environment.get("CI") else ("skip", "default: no CI")
    return option.default, "default"


def declare(parser: pytest.Parser, release: tuple[Any, ...]) -> None:
    """Declare the options to that release of pytest."""
    group = parser.getgroup("celery-backends", "Celery result backends")
    for option in OPTIONS:
        how: dict[str, Any] = {"action": "append", "metavar": option.metavar}
        if option.kind == "flag":
            how = {"action": "store_const", "const": ["yes"]}
        group.addoption(option.switch, dest=option.name, help=option.help, **how)
        parser.addini(option.name, option.help, type=_ini_type(option, release), default=[])
    listing = "list the backends, what each needs, and whether it can run here"
    group.addoption("--celery-backends-list", action="store_true", help=listing)


def _ini_type(option: Option, release: tuple[Any, ...]) -> Any:
    """What may stand in the ini file; only pytest 9's ``[tool.pytest]`` has more than texts and lists of them."""
    natural: Any = {"seconds": float, "flag": bool}.get(option.kind)
    if natural and release >= (9,):
        return str | natural if release >= (9, 2) else natural.__name__
    if natural or option.kind in ("text", "policy", "leftovers"):
        return "string"
    return "linelist" if "\\n" in option.split else "args"


def from_config(config: pytest.Config) -> Options:
    """The values in force for a run of pytest; raises BadOption."""
    command_line = {option.name: config.getoption(option.name) or () for option in OPTIONS}
    return resolve(command_line, os.environ, {option.name: _in_file(config, option) for option in OPTIONS})


def _in_file(config: pytest.Config, option: Option) -> Sequence[str]:
    try:
        given = config.getini(option.name)
    except Exception as error:  # of another type with each release of pytest
        from .option_values import unreadable

        raise unreadable(option, error) from None
    return [str(text) for text in (given if isinstance(given, list) else [given]) if text != ""]
