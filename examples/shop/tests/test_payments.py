from __future__ import annotations

from decimal import Decimal

import pytest

from pytest_celery_backends import ResultBackend
from shop.orders import Order
from shop.payments import GatewayBusy, PaymentDeclined, gateway
from shop.tasks.payments import charge, refund

pytestmark = pytest.mark.backends("redis", "postgres", "sqlite", "filesystem", "rpc-memory", "memory")


def test_a_charge_is_seen_to_start_and_to_succeed(order: Order, result_backend: ResultBackend) -> None:
    result = charge.delay(order.id)
    result.get(timeout=5)
    result_backend.assert_transitions(result, "STARTED", "SUCCESS")


def test_a_charge_waits_for_a_busy_provider(order: Order, result_backend: ResultBackend) -> None:
    gateway.busy_for = 1
    result = charge.delay(order.id)
    result.get(timeout=5)
    result_backend.assert_transitions(result, "STARTED", "RETRY", "STARTED", "SUCCESS")
    assert gateway.balance == {"Ada": Decimal("31.50")}


def test_a_declined_card_is_not_charged_again(order: Order, result_backend: ResultBackend) -> None:
    gateway.declined.add("Ada")
    result = charge.delay(order.id)
    with pytest.raises(PaymentDeclined, match="Ada's card was declined"):
        result.get(timeout=5)
    result_backend.assert_transitions(result, "STARTED", "FAILURE")


def test_a_refund_gives_up_after_two_more_calls(order: Order, result_backend: ResultBackend) -> None:
    gateway.busy_for = 99
    result = refund.delay(order.id)
    with pytest.raises(GatewayBusy):
        result.get(timeout=5)
    assert result_backend.timeline(result).states.count("RETRY") == 2
