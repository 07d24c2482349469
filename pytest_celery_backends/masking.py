"""URLs as they can be shown: without their passwords, also where those are not encoded as they should be."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

#: In the names of settings and options whose values nobody else shall see.
_SECRET: Final = re.compile(r"(?i)passw|secret|token|credential|(?:account|access|api|private|master)_?key")
#: Between the parts of a URL that names several hosts, as Celery writes one for sentinels.
_BETWEEN: Final = re.compile(r";(?=sentinel://)")

#: What lets somebody in, in Azure's connection strings.
_KEY: Final = re.compile(r"(?i)((?:^|;)(?:AccountKey|SharedAccessSignature)=)[^;]*")


def is_readable(url: str) -> bool:
    """Whether it is clear where a URL's password ends: in a password ``/``, ``?``, ``#`` and ``[`` are encoded.

    >>> is_readable("redis://:pa%2Fss@localhost/0"), is_readable("redis://:pa/ss@localhost/0")
    (True, False)
    >>> is_readable("sentinel://:secret@a:1/0;sentinel://:secret@b:2/0")
    True
    """
    return all(map(_is_readable, _parts(url)))


def _parts(url: str) -> list[str]:
    """The URL, or those of its hosts; a password that looks like the end of a part has no port behind it."""
    parts = _BETWEEN.split(url)
    is_cut = any(re.fullmatch(r"sentinel://[^@/?#]*:(?!\d+$)[^@/?#]*", part) for part in parts)
    return [url] if is_cut or not url.startswith("sentinel://") else parts


def _is_readable(url: str) -> bool:
    rest = url.partition("://")[2]
    try:
        parts = urlsplit(f"//{rest}")
    except ValueError:
        return False
    if ":" not in parts.netloc or "@" not in rest:
        return True
    is_address = "@" in parts.netloc or bool(re.fullmatch(r".+(:\d+|\])", parts.netloc))
    has_fields = bool(re.match(r"[\w.-]+=", parts.query))  # an @ in their values is one
    return is_address and "@" not in parts.path + parts.fragment + ("" if has_fields else parts.query)


def masked(url: str) -> str:
    """A URL that can be shown: its password is three stars, also where it is not encoded as it should be.

    >>> masked("redis://:secret@127.0.0.1:6379/0")
    'redis://:***@127.0.0.1:6379/0'
    >>> masked("postgresql://localhost/shop?password=secret&sslmode=require")
    'postgresql://localhost/shop?password=***&sslmode=require'
    >>> masked("redis://:se/cr[et@localhost/0")
    'redis://:***@localhost/0'
    >>> masked("sentinel://:secret@a:1/0;sentinel://:secret@b:2/0?sentinel_password=other")
    'sentinel://:***@a:1/0;sentinel://:***@b:2/0?sentinel_password=***'
    >>> masked("azureblockblob://AccountName=shop;AccountKey=c2/Vj==;EndpointSuffix=core.windows.net")
    'azureblockblob://AccountName=shop;AccountKey=***;EndpointSuffix=core.windows.net'
    """
    return ";".join(map(_masked, _parts(url)))


def _masked(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    end = len(re.split(r"[/?#]", rest, maxsplit=1)[0]) if _is_readable(url) else len(rest)
    shown = re.sub(r"(?s)^([^:]*:).+@", r"\1***@", rest[:end]) + rest[end:]
    shown = _KEY.sub(r"\1***", shown)
    return scheme + mark + re.sub(r"(?i)([?&](?:ssl_?|sentinel_)?password=)[^&]*", r"\1***", shown)


class SecretUrl(str):
    """A URL that is used like any other, and shown without its password where an assertion fails.

    >>> url = SecretUrl("redis://:secret@localhost/0")
    >>> url, url == "redis://:secret@localhost/0"
    ('redis://:***@localhost/0', True)
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(masked(self))

    def splitlines(self, keepends: bool = False) -> list[str]:
        """The masked URL: pytest takes texts apart like this to show where they differ."""
        return masked(self).splitlines(keepends)


class Secret(str):
    """A password in a setting of its own: used like any other text, shown as three stars.

    >>> Secret("s3cret"), Secret("s3cret") == "s3cret"
    ('***', True)
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def splitlines(self, keepends: bool = False) -> list[str]:
        """What pytest takes apart to show where texts differ."""
        return ["***"]


def masked_option(text: str) -> str:
    """An option as ``name=value``, without the passwords of the URLs in it, and without a value that is a secret.

    >>> masked_option("celery_backends_url=redis=redis://:s3cret@h/0 postgres=postgresql://u:s3cret@h/shop")
    'celery_backends_url=redis=redis://:***@h/0 postgres=postgresql://u:***@h/shop'
    >>> masked_option("api_token=s3cret"), masked_option("xfail_strict=true")
    ('api_token=***', 'xfail_strict=true')
    """
    name, equals, value = text.partition("=")
    if _SECRET.search(name):
        return f"{name}{equals}***"
    return name + equals + re.sub(r"[\w+.-]+://\S+", lambda found: masked(found[0]), value)


def shown_masked(value: Any, name: str = "") -> Any:
    """A setting, at any depth equal to what it was, whose reprs show no password.

    >>> shown_masked({"url": "redis://:s3cret@h/0", "auth": {"password": "s3cret", "port": 1}})
    {'url': 'redis://:***@h/0', 'auth': {'password': '***', 'port': 1}}
    """
    if isinstance(value, str):
        if "://" in value:
            return SecretUrl(value)
        return Secret(value) if value and _SECRET.search(name) else value
    if isinstance(value, dict):
        return {key: shown_masked(each, f"{name}.{key}") for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(shown_masked(each, name) for each in value)
    return value


def compared(op: str, left: object, right: object) -> list[str] | None:
    """What an assertion says that failed about a secret; None where pytest may say it in its own way.

    pytest cuts texts into pieces to show where they differ, and the pieces are no secrets any more.

    >>> compared("not in", "localhost", SecretUrl("redis://:s3cret@localhost/0"))
    ["'localhost' not in 'redis://:***@localhost/0'"]
    >>> compared("==", "one", "two")
    """
    if not (isinstance(left, str) and isinstance(right, str)):
        return None
    if not any(isinstance(side, (SecretUrl, Secret)) for side in (left, right)):
        return None
    shown = [repr(_as_shown(side))[1:-1] for side in (left, right)]
    lines = [f"{shown[0]!r} {op} {shown[1]!r}"]
    if op == "==":
        same = shown[0] == shown[1]
        lines += ["", "they differ in what is not shown"] if same else ["", f"- {shown[1]}", f"+ {shown[0]}"]
    return lines


def _as_shown(text: str) -> str:
    """The other side of a comparison may be the same URL as plain text."""
    return text if isinstance(text, (SecretUrl, Secret)) else SecretUrl(text)
