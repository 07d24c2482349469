"""django-celery-results in a database: a SQLite file for each namespace, whatever databases a project has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..capabilities import YES, Capability, no, not_yet
from ..celery_release import limits
from ..probes.django_db import SETTING, alias_of, enter, identify, probe
from ..probes.django_project import results_release
from ..sources import BuiltIn
from ..spec import BackendSpec, Driver, Namespace, Service
from ..traffic.django import watching


def _settings(service: Service, namespace: Namespace) -> Mapping[str, Any]:
    return {"result_backend": "django-db", SETTING: alias_of(namespace)}


SPEC: Final = BackendSpec(
    name="django-db",
    title="django-celery-results",
    scheme="django-db",
    sources=(BuiltIn(url=lambda directory: f"sqlite:///{directory}", directory=True),),
    identify=identify,
    settings=_settings,
    probe=probe,
    traffic=watching,
    enter=enter,
    drivers=(
        Driver(module="django", distribution="Django"),
        Driver(module="django_celery_results", distribution="django-celery-results"),
    ),
    extra="django",
    limits=limits(
        {
            Capability.BATCH: no("django-celery-results reads one row at a time"),
            Capability.CHORDS: YES
            if results_release() >= (2, 6)
            else not_yet(
                "before 2.6 chords are counted in a transaction on the project's default database",
                "django-celery-results#427",
            ),
            Capability.COMPRESSION: no("django-celery-results compresses nothing"),
        }
    ),
)
