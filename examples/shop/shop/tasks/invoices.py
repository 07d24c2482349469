"""Invoices: results with money, dates and a customer's name in them."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from shop.orders import orders, products, total


@shared_task
def issue(order_id: str) -> dict[str, Any]:
    """The invoice of an order."""
    order = orders.get(order_id)
    return {
        "number": f"INV-{order.id}",
        "customer": order.customer,
        "date": order.day,
        "lines": [[line.sku, line.quantity, products.get(line.sku).price] for line in order.lines],
        "total": total(order),
    }
