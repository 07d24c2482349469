"""Sales figures; these run on the ``reports`` queue."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from celery import shared_task

from shop.orders import orders, total


@shared_task
def sales_of(day: str) -> Decimal:
    """What was sold on a day, given as ``2026-01-31``."""
    return sum((total(order) for order in orders.on(date.fromisoformat(day))), Decimal("0.00"))


@shared_task
def summarise(sales: list[Decimal]) -> dict[str, Decimal]:
    """The sum and the best of some days."""
    return {"total": sum(sales, Decimal("0.00")), "best": max(sales)}
