from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from pytest_celery_backends import ResultBackend
from shop import checkout
from shop.celery import app
from shop.orders import Line, Order, OutOfStock
from shop.payments import gateway

BACKENDS = pytest.mark.backends("redis", "postgres", "sqlite", "filesystem", "rpc-memory", "memory")

ORDER = Order("1003", "Ada", date(2026, 1, 31), (Line("TEA", 2),))


@BACKENDS
def test_an_order_is_reserved_charged_and_invoiced() -> None:
    assert checkout.invoice(checkout.place(ORDER))["number"] == "INV-1003"
    assert gateway.balance == {"Ada": Decimal("9.00")}


@BACKENDS
@pytest.mark.backend_requires("reread")
def test_a_customer_may_look_twice(result_backend: ResultBackend) -> None:
    checkout_id = checkout.place(ORDER)
    result_backend.wait_for(app.AsyncResult(checkout_id), "SUCCESS", timeout=5)
    for _ in range(2):
        assert checkout.status(checkout_id).message == "Thank you! Your invoice is INV-1003."


@BACKENDS
def test_nobody_pays_for_what_is_not_there() -> None:
    too_much = Order("1004", "Ada", date(2026, 1, 31), (Line("POT", 2),))
    with pytest.raises(OutOfStock):
        checkout.invoice(checkout.place(too_much))
    assert gateway.balance == {}


def test_production_stays_configured_as_it_was() -> None:
    assert app.conf.broker_url == "redis://:s3cret@broker.shop.internal:6379/0"
    assert app.conf.result_backend == "db+postgresql://shop:s3cret@db.shop.internal/celery"
