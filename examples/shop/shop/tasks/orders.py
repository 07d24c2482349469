"""Prices and reservations."""

from __future__ import annotations

from decimal import Decimal

from shop.celery import app
from shop.orders import orders, products, total


@app.task
def price(order_id: str) -> Decimal:
    """What the order costs."""
    return total(orders.get(order_id))


@app.task
def reserve(order_id: str) -> str:
    """Take the order's goods from stock; raises OutOfStock."""
    products.take(orders.get(order_id).lines)
    return order_id
