from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from pytest_celery_backends import ResultBackend
from shop import settings
from shop.orders import Order
from shop.tasks.invoices import issue

pytestmark = pytest.mark.backends("redis", "postgres", "sqlite", "filesystem", "rpc-memory", "memory")


def test_an_invoice_keeps_its_money_and_dates(order: Order, result_backend: ResultBackend) -> None:
    invoice = issue.delay(order.id).get(timeout=5)
    assert (invoice["total"], invoice["date"]) == (Decimal("31.50"), date(2026, 1, 31))
    result_backend.assert_round_trip(invoice, serializer="json")


@pytest.mark.backend_requires("expiry")
def test_an_invoice_is_not_kept_longer_than_promised(order: Order, result_backend: ResultBackend) -> None:
    result = issue.delay(order.id)
    result.get(timeout=5)
    result_backend.assert_expires(result, after=settings.result_expires)


@pytest.mark.backend_requires("forget")
def test_a_customer_can_be_forgotten(order: Order, result_backend: ResultBackend) -> None:
    result = issue.delay(order.id)
    result.get(timeout=5)
    assert [stored.task_id for stored in result_backend.stored()] == [result.id]
    result.forget()
    result_backend.assert_forgotten(result)
    result_backend.assert_no_leftovers()
