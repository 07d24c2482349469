"""Two threads that parse at once, as the worker and pytest do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_celery_backends.syntax_trees import IS_BROKEN

#: Finalizers run while a tree is made, let the other thread in, and make trees themselves.
SCRIPT = """
import ast, gc, sys, threading, time
from pytest_celery_backends.syntax_trees import make_one_at_a_time

class Cycle:
    def __init__(self):
        self.me = self
    def __del__(self):
        time.sleep(0)
        ast.parse("parsed = 'as pytest does to tell what could not be closed'")

def parse(depth):
    if depth:
        return parse(depth - 1)
    while time.monotonic() < end and not failures:
        Cycle()
        try:
            ast.parse(source)
        except SystemError as error:
            failures.append(error)

gc.set_threshold(50)
source, failures, end = open(ast.__file__).read(), [], time.monotonic() + float(sys.argv[2])
if sys.argv[1] == "with":
    make_one_at_a_time()
    make_one_at_a_time()
threads = [threading.Thread(target=parse, args=(depth,)) for depth in (3, 20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failures)
"""


def _failures(*args: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *args], capture_output=True, text=True, timeout=60, check=True
    ).stdout


def test_threads_parse_one_after_the_other() -> None:
    assert _failures("with", "2") == "[]\n"


@pytest.mark.skipif(not IS_BROKEN, reason="this Python can parse in two threads at once")
def test_without_it_this_python_fails() -> None:
    assert "AST constructor recursion depth mismatch" in _failures("without", "30")
