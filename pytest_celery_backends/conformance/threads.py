"""Several threads at once, as a web server has them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .limits import LIMIT


def in_threads(calls: list[Callable[[], Any]], limit: float | None = None) -> list[Any]:
    """What each call gives, all made at the same time, each in a thread of its own; the first error is raised.

    Arguments:
        limit: seconds for all of them; ``LIMIT`` where none is given.
    """
    seconds = LIMIT if limit is None else limit
    found: list[Any] = [None] * len(calls)
    errors: list[BaseException] = []
    start = threading.Barrier(len(calls))

    def run(number: int) -> None:
        try:
            start.wait(seconds)
            found[number] = calls[number]()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
    alive = [thread for thread in threads if thread.is_alive()]
    if errors:
        raise errors[0]
    assert not alive, f"{len(alive)} of {len(threads)} threads did not end within {seconds:g} s"
    return found
