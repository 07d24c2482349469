"""The managers' side: sales over several days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from celery import chord, group
from celery.result import AsyncResult, GroupResult

from shop.celery import app
from shop.tasks.reports import sales_of, summarise


def sales(days: Iterable[date]) -> GroupResult:
    """One result per day, in their order."""
    return group(sales_of.s(day.isoformat()) for day in days).apply_async()


def start_sales(days: Iterable[date]) -> str:
    """Count the sales of some days; gives the id under which any page finds them."""
    results = sales(days)
    results.save()
    return str(results.id)


def started_sales(sales_id: str) -> GroupResult:
    """What start_sales() started, perhaps in another process."""
    return GroupResult.restore(sales_id, app=app)


def summary(days: Iterable[date]) -> AsyncResult[Any]:
    """The sum and the best of the days, once all are counted."""
    return chord(sales_of.s(day.isoformat()) for day in days)(summarise.s())
