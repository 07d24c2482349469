"""Where issues of other projects are followed, as links."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

REPOSITORIES: Final[Mapping[str, str]] = {
    "celery": "celery/celery",
    "kombu": "celery/kombu",
    "billiard": "celery/billiard",
    "django-celery-results": "celery/django-celery-results",
    "redis-py": "redis/redis-py",
}
#: Where a text is Markdown already, the sign is escaped.
_ISSUE: Final = re.compile(r"(?<![\w/-])([\w-]+(?:/[\w.-]+)?)\\?#(\d+)\b")


def issues_in(text: str) -> list[str]:
    """The issues that a text names, each once, as links in Markdown.

    >>> issues_in("delete() raises (celery#10678)")
    ['[celery#10678](https://github.com/celery/celery/issues/10678)']
    >>> issues_in("channel #5, acme#7")
    []
    """
    links = (_linked(found) for found in _ISSUE.finditer(text))
    return list(dict.fromkeys(link for link in links if link))


def with_links(text: str) -> str:
    """A text in Markdown in which every issue leads to where it is.

    >>> with_links("it raises (celery#10678)")
    'it raises ([celery#10678](https://github.com/celery/celery/issues/10678))'
    """
    return _ISSUE.sub(lambda found: _linked(found) or found[0], text)


def _linked(found: re.Match[str]) -> str:
    where = REPOSITORIES.get(found[1], found[1])
    return f"[{found[0]}](https://github.com/{where}/issues/{found[2]})" if "/" in where else ""
