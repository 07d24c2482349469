"""Django in this process: the user's own project, or the least that django-celery-results needs."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from ..errors import BackendsError
from ..sources import Identity
from ..spec import Refused

APP: Final = "django_celery_results"
INSTALL: Final = "pip install 'pytest-celery-backends[django]'"


def installed(product: str, distribution: str) -> Identity:
    """A distribution's version, asked without importing it; raises Refused where it is not installed."""
    try:
        return Identity(product=product, version=version(distribution))
    except PackageNotFoundError:
        reason = f"{distribution} is not installed"
    raise Refused(reason, INSTALL)


def results_release() -> tuple[int, int]:
    """Major and minor version of the installed django-celery-results; the newest known where there is none."""
    try:
        major, minor = version("django-celery-results").split(".")[:2]
    except PackageNotFoundError:
        return 2, 6
    return int(major), int(minor)


def ensure_project() -> None:
    """Have a Django with django-celery-results in this process.

    A project with ``DJANGO_SETTINGS_MODULE``, or one that is configured already, stays as it is. Where there is
    none, Django is configured with that one app and no database; a process cannot take that back.
    https://docs.djangoproject.com/en/stable/topics/settings/#calling-django-setup-is-required-for-standalone-django-usage

    Raises:
        BackendsError: the project has not installed django-celery-results.
    """
    import django
    from django.apps import apps
    from django.conf import settings

    if not settings.configured and not os.environ.get("DJANGO_SETTINGS_MODULE"):
        settings.configure(
            INSTALLED_APPS=[APP],
            SECRET_KEY=secrets.token_urlsafe(),
            LOGGING_CONFIG=None,
            TIME_ZONE="UTC",
            USE_TZ=True,
        )
    if not apps.ready:
        django.setup()
    if not apps.is_installed(APP):
        where = os.environ.get("DJANGO_SETTINGS_MODULE", "settings.configure(...)")
        raise BackendsError(
            f"the Django project has no app {APP!r}",
            tried=[f"its settings: {where}"],
            remedy=f'INSTALLED_APPS += ["{APP}"]  # in {where}',
        )


def after_settings_change(restore: Callable[..., Any]) -> Callable[[], None]:
    """Call ``restore(setting=...)`` whenever a test overrides a Django setting, after Django's own receivers.

    Gives what ends that. https://docs.djangoproject.com/en/stable/topics/testing/tools/#overriding-settings
    """
    import django.test.signals  # its receivers come first
    from django.core.signals import setting_changed

    assert django.test.signals
    setting_changed.connect(restore, weak=False)
    return lambda: setting_changed.disconnect(restore)
