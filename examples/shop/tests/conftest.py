"""A stocked shop for every test. Nothing here is about Celery."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from shop.feeds import feeds
from shop.orders import Line, Order, Product, orders, products
from shop.payments import gateway


@pytest.fixture(autouse=True)
def stocked() -> Iterator[None]:
    products.add(Product("TEA", Decimal("4.50"), stock=10))
    products.add(Product("POT", Decimal("18.00"), stock=1))
    yield
    for store in (products, orders, gateway, feeds):
        store.clear()


@pytest.fixture
def order(stocked: None) -> Order:
    """Three teas and a pot: 31.50."""
    return orders.add(Order("1001", "Ada", date(2026, 1, 31), (Line("TEA", 3), Line("POT", 1))))
