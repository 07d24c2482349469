"""Redis over TLS: the server's certificate is checked against an authority that was made for it alone.

Celery hands ``ssl_ca_certs`` and ``ssl_cert_reqs`` of the URL to redis-py, which compares the host's name as
well from its release 6 on:
https://docs.celeryq.dev/en/stable/userguide/configuration.html#conf-redis-result-backend
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ..certificates import AUTHORITY, CERTIFICATE, KEY, certificates
from ..probes.redis import RedisProbe, identify, sweep
from ..probes.redis_urls import celery_url, client_command
from ..pubsub import mend_pubsub
from ..redis_server import (
    CONFIGURATION,
    DRIVERS,
    celery_settings,
    command,
    configuration,
    family_limits,
    program,
)
from ..sources import Container, External, Local, Place
from ..spec import BackendSpec, Driver
from ..traffic.redis import watching


def _files(place: Place) -> Mapping[str, str]:
    lines = [
        f"tls-port {place.port}",
        f"tls-cert-file {place.directory / CERTIFICATE}",
        f"tls-key-file {place.directory / KEY}",
        f"tls-ca-cert-file {place.directory / AUTHORITY}",
        "tls-auth-clients no",
    ]
    names = dict.fromkeys(("localhost", "127.0.0.1", place.reached_at))
    # Port 0: nothing listens without TLS.
    return {CONFIGURATION: configuration(place, 0, *lines), **certificates(*names)}


def _url(place: Place) -> str:
    trusted = quote(str(place.directory / AUTHORITY), safe="/")
    address = f"{place.host}:{place.port}"
    return f"rediss://:{place.password}@{address}/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={trusted}"


def _lacks_tls(binary: Path) -> str:
    """Told to use TLS, it ends at once: one that can misses a certificate, one that cannot says that."""
    asked = subprocess.run(
        [binary, "--port", "0", "--tls-port", "1", "--save", ""],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
        timeout=5,
        check=False,
    )
    said = asked.stdout + asked.stderr
    lacks = any(words in said for words in (b"Bad directive", b"Failed finding TLS support"))
    return f"{binary} was built without TLS" if lacks else ""


_PROGRAM: Final = replace(program("redis-server", "valkey-server"), files=_files, url=_url, lacks=_lacks_tls)

SPEC: Final = BackendSpec(
    name="redis-tls",
    title="Redis",
    scheme="rediss",
    sources=(
        External(
            schemes=("rediss",), example="rediss://:PASSWORD@localhost:6380/0?ssl_ca_certs=/path/to/ca.pem"
        ),
        Container(image="redis", tag="8", port=6379, url=_url, command=command("redis-server"), files=_files),
        Local(program=_PROGRAM, package="redis-server"),
    ),
    identify=partial(identify, name="redis-tls"),
    settings=lambda service, namespace: celery_settings(celery_url(service.url), namespace.name),
    probe=RedisProbe,
    traffic=watching,
    sweep=sweep,
    adapt=mend_pubsub,
    drivers=(*DRIVERS, Driver(module="trustme", distribution="trustme")),
    extra="tls",
    client_command=client_command,
    limits=family_limits(),
)
