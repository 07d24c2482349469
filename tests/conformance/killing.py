"""A plugin for a run of the kit's checks, each on the backends that have to fail it and on the same ones whole."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import breaking
import pytest

import pytest_celery_backends.conformance as kit
from pytest_celery_backends import Registry, check_limits
from pytest_celery_backends.checks import check_of

importlib.import_module("broken")  # fills the table

#: Seconds for what a broken backend does not do; the whole ones have as long as anybody's.
IN_VAIN: Final = 2.0
#: The file that is told which checks there are, and what has to kill them.
FILE = "CONFORMANCE_KILLERS"


def pytest_celery_backends_register(registry: Registry) -> None:
    breaking.register(registry)


def pytest_configure(config: pytest.Config) -> None:
    # checks that are to fail do so on one backend one after the other: none of them is left out for that
    vars(check_limits).update(PATIENCE=float("inf"), IN_ALL=float("inf"))
    names = dict(checks())
    for name, function in names.items():
        killers = [each for each in breaking.TABLE if name in each.kills]
        whole = dict.fromkeys(each.whole for each in killers)
        pytest.mark.backends(*whole, *(each.name for each in killers), *([] if killers else ["memory"]))(
            function
        )
    table = [{"name": each.name, "whole": each.whole, "kills": each.kills} for each in breaking.TABLE]
    if not hasattr(config, "workerinput"):
        Path(os.environ[FILE]).write_text(json.dumps({"checks": list(names), "table": table}))


def checks() -> Iterator[tuple[str, Any]]:
    """Every check of the kit by its name."""
    for name in kit.__all__:
        cls = getattr(kit, name)
        if isinstance(cls, type):
            for test, function in vars(cls).items():
                if check_of(function):
                    yield f"{name}::{test}", function


@pytest.fixture(autouse=True)
def _in_vain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Does not wait as long for what never comes as on a backend that somebody uses."""
    if any(f"[{each.name}]" in request.node.name for each in breaking.TABLE if each.kills):
        for name in [each for each in sys.modules if each.startswith(f"{kit.__name__}.")]:
            if hasattr(sys.modules[name], "LIMIT"):
                monkeypatch.setattr(sys.modules[name], "LIMIT", IN_VAIN)
