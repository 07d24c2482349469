"""Types of the fixtures that run pytest on small projects."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


def redis_from(program: str) -> str:
    """A conftest in which the server of redis is a program that lies beside it."""
    return f"""
from dataclasses import replace
from pathlib import Path
from pytest_celery_backends.sources import Identity, Local, Program

def pytest_celery_backends_register(registry):
    program = Program(
        binaries=({program!r},),
        command=lambda place: ({program!r},),
        url=lambda place: f"redis://127.0.0.1:{{place.port}}/0",
        identify_binary=lambda text: Identity(product="Redis", version="8"),
    )
    source = Local(program=program, places=(str(Path(__file__).parent),))
    registry.register(replace(registry.get("redis"), sources=(source,)))
"""


def watched_production(urls: str) -> str:
    """A conftest with an app whose production servers do not exist, which prints who asked for them."""
    return f"""
import sys
import pytest

asked = []

def watch(event, args):
    if event == "socket.getaddrinfo":
        asked.append(str(args[0]))
    elif event == "socket.connect":
        asked.append(str(args[1]))

sys.addaudithook(watch)

@pytest.fixture(scope="session")
def celery_backends_app():
    from celery import Celery
    return Celery("shop", {urls})

def pytest_sessionfinish():
    print("ASKED FOR PRODUCTION:", [where for where in asked if "invalid" in where])
    print("WATCHED:", len(asked) > 0)
"""
