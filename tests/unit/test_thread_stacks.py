"""The calls of another thread, while it goes on."""

from __future__ import annotations

import threading

from pytest_celery_backends.thread_stacks import stack_of


def test_the_innermost_calls_come_last_with_their_source() -> None:
    there, over = threading.Event(), threading.Event()

    def inner() -> None:
        there.set()
        over.wait(5)

    def outer() -> None:
        inner()

    thread = threading.Thread(target=outer)
    thread.start()
    try:
        assert there.wait(5)
        assert thread.ident is not None
        told = stack_of(thread.ident, 10)
    finally:
        over.set()
        thread.join()
    lines = [line.strip() for line in told.splitlines()]
    assert lines.index("inner()") < lines.index("over.wait(5)")
    assert len(stack_of(threading.get_ident(), 2).splitlines()) == 4
    assert stack_of(thread.ident, 10) == ""


def test_a_thread_that_goes_on_is_looked_at_often() -> None:
    over = threading.Event()

    def deeper(calls: int) -> None:
        if calls:
            deeper(calls - 1)

    def goes_on() -> None:
        while not over.is_set():
            deeper(30)

    thread = threading.Thread(target=goes_on)
    thread.start()
    try:
        assert thread.ident is not None
        assert all("goes_on" in stack_of(thread.ident, 100) for _ in range(200))
    finally:
        over.set()
        thread.join()
