"""Charges, which retry by hand, and refunds, which retry by themselves."""

from __future__ import annotations

from celery import Task, shared_task

from shop.orders import orders, total
from shop.payments import GatewayBusy, gateway

#: Seconds until a busy provider is called again.
RETRY_AFTER = 0.05


@shared_task(bind=True, max_retries=5)
def charge(self: Task, order_id: str) -> str:
    """Charge the customer; calls again while the provider is busy."""
    order = orders.get(order_id)
    try:
        gateway.charge(order.customer, total(order))
    except GatewayBusy as busy:
        raise self.retry(exc=busy, countdown=RETRY_AFTER) from busy
    return order_id


@shared_task(autoretry_for=(GatewayBusy,), retry_kwargs={"max_retries": 2, "countdown": RETRY_AFTER})
def refund(order_id: str) -> str:
    """Give the customer the money back; gives up after two more calls."""
    order = orders.get(order_id)
    gateway.refund(order.customer, total(order))
    return order_id
