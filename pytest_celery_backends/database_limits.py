"""What Celery's database backend cannot do, whatever the database."""

from __future__ import annotations

from typing import Final

from .capabilities import Capability, no
from .celery_release import limits, since

DATABASE_LIMITS: Final = limits(
    {
        Capability.BATCH: no("Celery's database backend reads one row at a time"),
        Capability.COMPRESSION: no("Celery compresses no results in databases"),
        Capability.SERIALIZERS: since(
            (5, 7), "Celery pickles every row before 5.7, whatever result_serializer says", "celery#10536"
        ),
    }
)
