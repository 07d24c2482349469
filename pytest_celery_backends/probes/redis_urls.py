"""URLs of Redis servers, as redis-py, Celery and redis-cli take them."""

from __future__ import annotations

import re
import shlex
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_FOR_CELERY_ONLY: Final = ("virtual_host", "credential_provider")


def driver_url(url: str) -> str:
    """A URL that redis-py takes, made from one that Celery takes.

    >>> driver_url("redis+socket:///run/redis.sock?virtual_host=2")
    'unix:///run/redis.sock?db=2'
    >>> driver_url("rediss://localhost:6380/0?ssl_cert_reqs=CERT_NONE")
    'rediss://localhost:6380/0?ssl_cert_reqs=none'
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    if "ssl_cert_reqs" in query:
        query["ssl_cert_reqs"] = query["ssl_cert_reqs"].removeprefix("CERT_").lower()
    if not parts.scheme.endswith("socket"):
        kept = {name: value for name, value in query.items() if name not in _FOR_CELERY_ONLY}
        return urlunsplit(parts._replace(query=urlencode(kept)))
    query["db"] = query.get("virtual_host", "0")
    kept = {name: value for name, value in query.items() if name not in _FOR_CELERY_ONLY}
    return f"unix://{parts.netloc}{parts.path}?{urlencode(kept)}"


def celery_url(url: str) -> str:
    """A URL that Celery takes: for TLS it insists on being told whether to check the certificate.

    >>> celery_url("rediss://localhost:6380/0")
    'rediss://localhost:6380/0?ssl_cert_reqs=CERT_REQUIRED'
    """
    parts = urlsplit(url)
    if parts.scheme != "rediss" or "ssl_cert_reqs=" in parts.query:
        return url
    query = "&".join(filter(None, (parts.query, "ssl_cert_reqs=CERT_REQUIRED")))
    return urlunsplit(parts._replace(query=query))


def client_command(url: str) -> str:
    """What a user types to look into the server at a URL.

    >>> client_command("rediss://:secret@localhost:6380/0?ssl_ca_certs=/ca.pem")
    "redis-cli --tls --cacert /ca.pem -u 'rediss://default:secret@localhost:6380/0'"
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    if parts.scheme.endswith("socket"):
        return f"redis-cli -s {parts.path} -n {query.get('virtual_host', '0')}"
    words = ["redis-cli"]
    if parts.scheme == "rediss":
        authority = query.get("ssl_ca_certs")
        words += ["--tls", *(["--cacert", shlex.quote(authority)] if authority else [])]
        words += ["--insecure"] if query.get("ssl_cert_reqs") in ("CERT_NONE", "none") else []
    # redis-cli takes an empty user for a name, and is not let in
    location = re.sub("^:", "default:", parts.netloc)
    return " ".join([*words, f"-u '{urlunsplit(parts._replace(netloc=location, query=''))}'"])
