"""Periods of time as users give them, in seconds."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Final

#: A century: what is longer is a mistake, and overflows what databases take for a time.
LONGEST: Final = 100 * 365.25 * 86400.0


def seconds_of(period: float | timedelta, call: str = "advance({})") -> float:
    """A period of time in seconds.

    Arguments:
        period: seconds or a ``timedelta``.
        call: what was called, for messages; ``{}`` stands for the period.

    Raises:
        ValueError: it is negative, no number, or longer than a century.

    >>> seconds_of(timedelta(hours=1)), seconds_of(0.5)
    (3600.0, 0.5)
    >>> seconds_of(-1)
    Traceback (most recent call last):
        ...
    ValueError: advance(-1): time passes in one direction; type: advance(1)
    """
    given = call.format(repr(period))
    seconds = period.total_seconds() if isinstance(period, timedelta) else period
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or math.isnan(seconds):
        hour = call.format("3600")
        raise ValueError(f"{given}: no period of time; type: {hour} or {call.format('timedelta(hours=1)')}")
    if seconds < 0:
        raise ValueError(f"{given}: time passes in one direction; type: {call.format(repr(-period))}")
    if seconds > LONGEST:
        raise ValueError(f"{given}: more than a century; type: {call.format('86400')}  # seconds, a day")
    return float(seconds)
