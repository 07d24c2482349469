"""django-celery-results in Django's cache: a file cache for each namespace, whatever caches a project has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..capabilities import Capability, no
from ..probes.django_cache import DjangoCacheProbe, alias_of, enter, identify
from ..sources import BuiltIn
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.stores import watching


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    return {
        "result_backend": "django-cache",
        "cache_backend": alias_of(namespace),
        "result_backend_transport_options": {"global_keyprefix": ""},
    }


SPEC: Final = BackendSpec(
    name="django-cache",
    title="Django cache",
    scheme="django-cache",
    sources=(BuiltIn(url=lambda directory: f"file://{directory}", directory=True),),
    identify=identify,
    settings=_settings,
    probe=DjangoCacheProbe,
    traffic=watching,
    enter=enter,
    drivers=(
        Driver(module="django", distribution="Django"),
        Driver(module="django_celery_results", distribution="django-celery-results"),
    ),
    extra="django",
    limits={
        Capability.BATCH: no("django-celery-results reads one entry at a time"),
        Capability.COMPRESSION: no("django-celery-results compresses nothing"),
        Capability.SERIALIZERS: no("Django pickles what is cached, whatever result_serializer says"),
    },
)
