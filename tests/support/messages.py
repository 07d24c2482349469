"""What an assertion said, in a form that can be compared."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_celery_backends import ResultBackend


def said(caught: pytest.ExceptionInfo[BaseException], backend: ResultBackend, *results: Any) -> str:
    """The message, with what differs from run to run named: ``<task>``, ``<task 1>``, ..., ``_ ms``."""
    text = str(caught.value).replace(str(backend._subject), "<backend>")
    for number, result in enumerate(results):
        which = f" {number}" if number else ""
        text = text.replace(result.id, f"<id{which}>").replace(result.id[:8], f"<task{which}>")
    return re.sub(r"\d+\.\d+ ms", "_ ms", text)
