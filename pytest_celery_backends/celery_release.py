"""Which Celery is installed, and what it cannot do yet; asked without importing Celery."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import version

from .capabilities import YES, Capability, Verdict, not_yet, written


@cache
def celery_release() -> tuple[int, int]:
    """Major and minor version of the installed Celery.

    >>> celery_release() >= (5, 4)
    True
    """
    major, minor = re.findall(r"\d+", version("celery"))[:2]
    return int(major), int(minor)


def since(release: tuple[int, int], reason: str, issue: str) -> Verdict:
    """Yes from a release of Celery on; before it, not yet, for *reason*.

    >>> since((5, 4), "never shown here", "celery#1").answer
    'yes'
    >>> since((99, 0), "comes with Celery 99", "celery#1").answer
    'not yet'
    """
    return YES if celery_release() >= release else replace(not_yet(reason, issue), place=written(2))


def limits(verdicts: Mapping[Capability, Verdict]) -> dict[Capability, Verdict]:
    """The verdicts that are limits here: those that say yes with this Celery are left out.

    >>> limits({Capability.COMPRESSION: YES})
    {}
    """
    return {capability: verdict for capability, verdict in verdicts.items() if not verdict}
