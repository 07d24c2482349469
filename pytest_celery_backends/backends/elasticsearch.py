"""Elasticsearch: an index for each namespace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ..capabilities import Capability, no
from ..celery_release import limits, since
from ..probes.elasticsearch import identify, probe, sweep
from ..sources import Container, External
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.http import watching


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    url = urlunsplit(urlsplit(service.url)._replace(path=f"/{namespace.name}"))
    return {"result_backend": url, "result_backend_transport_options": {"global_keyprefix": ""}}


SPEC: Final = BackendSpec(
    name="elasticsearch",
    title="Elasticsearch",
    scheme="elasticsearch",
    sources=(
        External(
            schemes=("elasticsearch", "elasticsearch+https"),
            example="elasticsearch://elastic:PASSWORD@localhost:9200",
        ),
        Container(
            image="elasticsearch",
            tag="8.19.0",
            port=9200,
            url=lambda place: f"elasticsearch://elastic:{place.password}@{place.host}:{place.port}",
            environment=lambda place: {
                "discovery.type": "single-node",
                "xpack.security.enabled": "true",
                "xpack.security.http.ssl.enabled": "false",
                "ELASTIC_PASSWORD": place.password,
                "ES_JAVA_OPTS": "-Xms512m -Xmx512m",
            },
        ),
    ),
    identify=identify,
    settings=_settings,
    probe=probe,
    traffic=watching,
    sweep=sweep,
    drivers=(Driver(module="elasticsearch", distribution="elasticsearch"),),
    extra="elasticsearch",
    client_command=lambda url: f"curl {url.replace('elasticsearch', 'http', 1)}/_cat/indices",
    not_verified="no image or package of Elasticsearch could be had where these tests run",
    limits=limits(
        {
            Capability.BATCH: no("Celery's Elasticsearch backend reads one document at a time"),
            Capability.COMPRESSION: no("Celery compresses no results in Elasticsearch"),
            Capability.EXPIRY: no("Celery neither expires nor cleans up results in Elasticsearch"),
            Capability.FORGET_ABSENT: since(
                (5, 7), "forget() raises before 5.7 where nothing is stored", "celery#10697"
            ),
            Capability.SERIALIZERS: no("results stand in JSON: only serializers that give text can be used"),
        }
    ),
)
