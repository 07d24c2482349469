"""A pytest plugin that writes down how long each test took, with its set-up and teardown, and when the first began."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict

import pytest

seconds: defaultdict[str, float] = defaultdict(float)
failed: list[str] = []
began: list[float] = []


def pytest_runtest_logstart() -> None:
    if not began:
        began.append(time.time())


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    seconds[report.nodeid] += report.duration
    if report.failed:
        failed.append(report.nodeid)


def pytest_sessionfinish() -> None:
    with open(os.environ["MEASURED"], "w", encoding="utf-8") as file:
        json.dump({"seconds": seconds, "failed": failed, "began": began}, file)
