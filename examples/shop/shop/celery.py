"""The shop's Celery app: ``celery -A shop.celery worker -Q shop,reports``."""

from __future__ import annotations

from celery import Celery

app = Celery("shop")
app.config_from_object("shop.settings")
