"""What the texts that were given for an option mean, and what is said of one that means nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from .errors import BadOption

if TYPE_CHECKING:
    from .options import Kind, Option


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


class _Mistyped(ValueError):
    """A text that is close to one that is taken; *meant* is what to type in its place."""

    def __init__(self, why: str, text: str, meant: str) -> None:
        super().__init__(why)
        self.text, self.meant = text, meant


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
        name, equals, kind = text.rpartition("=")
        if equals and not re.fullmatch(r"[\w-]+", name):
            raise ValueError(f"{text!r} is not name=kind")
        if kind != "auto":
            _check_kind(text, kind)
        kinds[name] = kind
    return kinds


def _check_kind(text: str, kind: str) -> None:
    from .provider_kinds import KINDS

    known = ("auto", *KINDS)
    if kind in known:
        return
    from difflib import get_close_matches

    for close in get_close_matches(kind, known, n=1):
        why = f"{kind!r} is no provider: did you mean {close!r}?"
        raise _Mistyped(why, text, text.removesuffix(kind) + close)
    raise ValueError(f"{kind!r} is no provider, as {', '.join(known)} are")


def _policy(texts: Sequence[str]) -> str:
    if _only(texts) not in ("fail", "skip"):
        raise ValueError(f"{_only(texts)!r} is neither fail nor skip")
    return _only(texts)


def _report_files(texts: Sequence[str]) -> list[str]:
    for text in texts:
        if not text.endswith((".json", ".md", ".html", "/")):
            raise ValueError(f"{text!r} does not end in .json, .md or .html, nor in / as a directory does")
    return list(texts)


#: What a test can leave, as ``assert_no_leftovers`` calls it.
LEFTOVERS: Final = (
    *("task", "group", "chord", "message", "other"),
    *("subscription", "queue", "table", "thread", "connection"),
)


def _leftovers(texts: Sequence[str]) -> str:
    """``ignore``, ``fail``, or ``fail except`` kinds."""
    first, *rest = texts or [""]
    if first not in ("ignore", "fail") or (rest and (first != "fail" or rest[0] != "except")):
        raise ValueError(f"{' '.join(texts)!r} is neither ignore, nor fail, nor fail except KINDS")
    for kind in rest[1:]:
        if kind not in LEFTOVERS:
            raise ValueError(f"{kind!r} is no kind of leftover, as {', '.join(LEFTOVERS)} are")
    return f"fail except {','.join(rest[1:])}" if rest[1:] else first


def _yes(texts: Sequence[str]) -> bool:
    word = _only(texts).lower()
    if word not in ("1", "true", "yes", "on", "0", "false", "no", "off", ""):
        raise ValueError(f"{word!r} is neither yes nor no")
    return word in ("1", "true", "yes", "on")


PARSERS: Final[Mapping[Kind, Callable[[Sequence[str]], Any]]] = {
    "names": list,
    "text": _only,
    "providers": _providers,
    "urls": _pairs,
    "policy": _policy,
    "seconds": _seconds,
    "files": _report_files,
    "flag": _yes,
    "leftovers": _leftovers,
}


def value_of(option: Option, texts: Sequence[str], source: str) -> Any:
    """The value that texts stand for; raises BadOption where they stand for none.

    >>> from pytest_celery_backends.options import OPTIONS
    >>> value_of(OPTIONS[0], ["redis, sqlite"], "command line")
    ['redis', 'sqlite']
    """
    words = [word for text in texts for word in re.split(option.split, text.strip()) if word]
    try:
        return PARSERS[option.kind](words)
    except ValueError as error:
        refused = _refused(option, words, source, error)
    raise refused


def unreadable(option: Option, error: Exception) -> BadOption:
    """The error for what stands in the ini file and has a type that pytest does not take."""
    from json import dumps

    takes: Any = option.takes
    if option.kind in ("names", "providers", "urls", "files"):
        takes = re.split(option.split, takes)
    as_toml = {"seconds": option.takes, "flag": "true"}.get(option.kind, dumps(takes))
    return BadOption(
        _without_passwords(f"{option.name} cannot be read: {error}"),
        tried=["given in: ini", f"help: {option.help}"],
        remedy=f"{option.name} = {as_toml}",
    )


def _without_passwords(cause: str) -> str:
    """A URL may stand where none is taken; the quote behind it is not its own."""
    from .masking import masked

    return re.sub(r"\S+?(?='?:?(?:\s|$))", lambda word: masked(word[0]), cause)


def _refused(option: Option, texts: Sequence[str], source: str, error: ValueError) -> BadOption:
    places = {"environment": option.variable, "ini": option.name}
    cause = f"{places.get(source, option.switch)} does not take {' '.join(texts)!r}: {error}"
    takes = f"{option.switch}={option.takes}" if option.takes else option.switch
    if isinstance(error, _Mistyped):
        takes = f"{option.switch}={','.join(error.meant if text == error.text else text for text in texts)}"
    return BadOption(
        _without_passwords(cause),
        tried=[f"given in: {source}", f"help: {option.help}"],
        remedy=error.remedy if isinstance(error, _Unreadable) else takes,
    )
