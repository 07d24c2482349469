"""Imports that say how far they are."""

from __future__ import annotations

from decimal import Decimal

from celery import Task

from shop.celery import app
from shop.feeds import feeds
from shop.orders import Product, products

#: Rows between two reports of progress.
BATCH = 2


@app.task(bind=True)
def import_feed(self: Task, supplier: str) -> dict[str, int]:
    """Add a supplier's products to the catalogue; state PROGRESS tells how many are in."""
    done = 0
    for sku, price, stock in feeds[supplier]:
        products.add(Product(sku, Decimal(price), stock))
        done += 1
        if done % BATCH == 0:
            self.update_state(state="PROGRESS", meta={"done": done})
    return {"imported": done}
