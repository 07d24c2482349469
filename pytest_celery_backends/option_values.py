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
    from difflib import get_close_matches

    from .sources import KINDS

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


PARSERS: Final[Mapping[Kind, Callable[[Sequence[str]], Any]]] = {
    "names": list,
    "text": _only,
    "providers": _providers,
    "urls": _pairs,
    "policy": _policy,
    "seconds": _seconds,
    "files": _report_files,
    "flag": _yes,
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


def _refused(option: Option, texts: Sequence[str], source: str, error: ValueError) -> BadOption:
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
