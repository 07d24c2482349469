from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from shop import figures
from shop.orders import Line, Order, orders

pytestmark = pytest.mark.backends("redis", "postgres", "sqlite", "filesystem", "rpc-memory", "memory")

DAYS = [date(2026, 1, 30), date(2026, 1, 31)]


@pytest.fixture(autouse=True)
def sold(order: Order) -> None:
    orders.add(Order("1000", "Grace", DAYS[0], (Line("TEA", 2),)))


def test_each_day_has_its_sales() -> None:
    assert figures.sales(DAYS).get(timeout=5) == [Decimal("9.00"), Decimal("31.50")]


@pytest.mark.backend_requires("chords")
def test_a_summary_follows_when_all_days_are_counted() -> None:
    summary = figures.summary(DAYS).get(timeout=10)
    assert summary == {"total": Decimal("40.50"), "best": Decimal("31.50")}


@pytest.mark.backend_requires("groups")
def test_saved_sales_can_be_read_by_another_page() -> None:
    sales_id = figures.start_sales(DAYS)
    assert figures.started_sales(sales_id).get(timeout=5) == [Decimal("9.00"), Decimal("31.50")]
