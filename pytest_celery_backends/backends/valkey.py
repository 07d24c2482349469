"""Valkey, through Celery's backend for Redis; a Redis that answers is named for what it is."""

from __future__ import annotations

from functools import partial
from typing import Final

from ..probes.redis import RedisProbe, identify, sweep
from ..probes.redis_urls import celery_url, client_command
from ..pubsub import mend_pubsub
from ..redis_server import DRIVERS, celery_settings, family_limits, sources
from ..spec import BackendSpec
from ..traffic.redis import watching

SPEC: Final = BackendSpec(
    name="valkey",
    title="Valkey",
    scheme="redis",
    sources=sources("valkey-server", "redis-server", image="valkey/valkey", tag="8"),
    identify=partial(identify, name="valkey"),
    settings=lambda service, namespace: celery_settings(celery_url(service.url), namespace.name),
    probe=RedisProbe,
    traffic=watching,
    sweep=sweep,
    adapt=mend_pubsub,
    drivers=DRIVERS,
    extra="redis",
    client_command=client_command,
    limits=family_limits(),
)
