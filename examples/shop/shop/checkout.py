"""What the web side calls: it starts tasks and looks at their results by id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from celery import chain
from celery.result import AsyncResult

from shop.celery import app
from shop.orders import Order, orders
from shop.tasks.catalogue import import_feed
from shop.tasks.invoices import issue
from shop.tasks.orders import reserve
from shop.tasks.payments import charge


@dataclass(frozen=True)
class Status:
    """What a customer is shown."""

    finished: bool
    message: str


def place(order: Order) -> str:
    """Reserve, charge and invoice an order; gives the id to ask about."""
    orders.add(order)
    result = chain(reserve.s(order.id), charge.s(), issue.s()).apply_async()
    return str(result.id)


def status(checkout_id: str) -> Status:
    """How a checkout is going."""
    result: AsyncResult[Any] = AsyncResult(checkout_id, app=app)
    if result.failed():
        return Status(True, f"Sorry: {result.result}")
    if result.successful():
        return Status(True, f"Thank you! Your invoice is {result.result['number']}.")
    return Status(False, "We are working on it.")


def invoice(checkout_id: str, timeout: float = 5.0) -> dict[str, Any]:
    """The invoice, as soon as it is there; raises what went wrong."""
    found: dict[str, Any] = AsyncResult(checkout_id, app=app).get(timeout=timeout)
    return found


def start_import(supplier: str) -> str:
    """Import a supplier's feed; gives the id to ask about."""
    return str(import_feed.delay(supplier).id)


def imported(import_id: str) -> int:
    """How many products an import has added so far."""
    result: AsyncResult[Any] = AsyncResult(import_id, app=app)
    if result.state == "PROGRESS":
        return int(result.info["done"])
    return int(result.result["imported"]) if result.successful() else 0
