"""Types of the fixtures that run pytest on small projects."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]
