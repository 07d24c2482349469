from __future__ import annotations

from decimal import Decimal

import pytest

from shop.orders import Line, Order, OutOfStock, orders, products
from shop.tasks.orders import price, reserve

pytestmark = pytest.mark.backends("redis", "postgres", "sqlite", "filesystem", "rpc-memory", "memory")


def test_a_price_is_exact(order: Order) -> None:
    assert price.delay(order.id).get(timeout=5) == Decimal("31.50")


def test_a_reservation_takes_goods_from_stock(order: Order) -> None:
    assert reserve.delay(order.id).get(timeout=5) == order.id
    assert products.get("TEA").stock == 7


def test_too_large_an_order_fails_with_the_shops_own_error(order: Order) -> None:
    orders.add(Order("1002", "Ada", order.day, (Line("POT", 2),)))
    with pytest.raises(OutOfStock) as raised:
        reserve.delay("1002").get(timeout=5)
    assert (raised.value.sku, raised.value.wanted, raised.value.available) == ("POT", 2, 1)
