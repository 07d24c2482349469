"""Asks servers that speak JSON over HTTP, with the standard library alone."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from ..spec import NotReady, Refused

#: Seconds after which a silent server is given up.
LIMIT: Final = 10.0
_NO_ACCESS: Final = (401, 403)


class JsonServer:
    """One server, asked with the user and password in its URL.

    Arguments:
        url: Celery's URL of a backend; a scheme that ends in ``https`` is asked over TLS.
        port: the server's port where the URL names none.
        limit: seconds for each answer.
        headers: more than the usual ones, for every request.
    """

    def __init__(
        self, url: str, *, port: int, limit: float = LIMIT, headers: Mapping[str, str] | None = None
    ) -> None:
        parts = urlsplit(url)
        scheme = "https" if parts.scheme.endswith("https") else "http"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or "localhost"
        self._root = f"{scheme}://{host}:{parts.port or port}"
        self._limit = limit
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        self._headers |= headers or {}
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        self._opener = build_opener(ProxyHandler({}))  # a test's server is no matter for the user's proxy

    def ask(self, method: str, path: str, body: Mapping[str, Any] | Sequence[Any] | None = None) -> Any:
        """The answer; None where the server has nothing at *path*.

        Raises:
            NotReady: the server does not answer, not in JSON, or is not up yet.
            Refused: it does not accept user and password, or the request.
        """
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._root + path, data=data, headers=self._headers, method=method)
        try:
            with self._opener.open(request, timeout=self._limit) as answer:
                return json.loads(answer.read() or b"null")
        except HTTPError as error:
            with error:
                said = " ".join(error.read().decode("utf-8", "replace").split())[:200]
            if error.code == 404:
                return None
            problem: Exception = _problem(error.code, said)
        except (OSError, HTTPException, ValueError) as error:
            problem = NotReady(str(error) or type(error).__name__)
        raise problem


def _problem(code: int, said: str) -> Exception:
    if code in _NO_ACCESS:
        return Refused(f"the server does not accept user and password: {code} {said}")
    return NotReady(f"{code} {said}") if code >= 500 else Refused(f"{code} {said}")
