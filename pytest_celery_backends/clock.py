"""Makes time pass for what is stored, without waiting for it: records are aged, no clock is moved."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

from .capabilities import Capability
from .errors import Unsupported, WaitTimeout
from .lease import Lease
from .periods import seconds_of

#: How many seconds a test may really wait.
LONGEST_WAIT: Final = 30.0


def advance(lease: Lease, period: float | timedelta, is_real: bool) -> None:
    """Let time pass for everything in a lease's namespace.

    Raises:
        Unsupported: only real time makes a difference on this backend.
        WaitTimeout: that much real time is not waited for.
    """
    seconds = seconds_of(period)
    if is_real:
        _wait(lease, seconds)
        return
    verdict = lease.spec.verdict(Capability.TIME_TRAVEL)
    lack = "" if hasattr(lease.probe, "advance") else "its probe has no method advance"
    if not verdict or lack:
        raise lease.unsupported(
            Unsupported(
                f"advance({period!r}) is not possible on {lease.spec.name}: {verdict.reason or lack}",
                remedy=f"advance(2, really=True)  # waits, {LONGEST_WAIT:g} s at most; with "
                "@pytest.mark.celery(result_expires=1)",
            )
        )
    lease.probe.advance(seconds)


def _wait(lease: Lease, seconds: float) -> None:
    if seconds > LONGEST_WAIT:
        raise WaitTimeout(
            f"advance({seconds:g}, really=True) would wait for {seconds:g} s on {lease.spec.name}",
            tried=[f"the longest wait is {LONGEST_WAIT:g} s"],
            remedy="@pytest.mark.celery(result_expires=1)  # and advance(2, really=True)",
        )
    time.sleep(seconds)
