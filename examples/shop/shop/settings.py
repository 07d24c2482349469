"""Celery's settings in production. The hosts exist inside the shop's own network only."""

from __future__ import annotations

broker_url = "redis://:s3cret@broker.shop.internal:6379/0"
result_backend = "db+postgresql://shop:s3cret@db.shop.internal/celery"
result_expires = 6 * 60 * 60
result_extended = True

task_track_started = True
task_default_queue = "shop"
task_routes = {"shop.tasks.reports.*": {"queue": "reports"}}

imports = (
    "shop.tasks.orders",
    "shop.tasks.payments",
    "shop.tasks.invoices",
    "shop.tasks.catalogue",
    "shop.tasks.reports",
)
