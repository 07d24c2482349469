"""Where another thread is just now."""

from __future__ import annotations

import faulthandler
import linecache
import re
import tempfile
from typing import Final

_THREAD: Final = re.compile(r"hread 0x([0-9a-f]+).*\n((?:  .*\n?)*)")
_CALL: Final = re.compile(r'  File "(.*)", line (\d+) in (.*)')


def stack_of(thread: int, depth: int) -> str:
    """The innermost calls of a thread, by its identifier, as ``traceback`` writes them; empty where it has ended.

    Going through the frames of ``sys._current_frames()`` takes a while, in which their thread goes on: then Python 3.11
    ends with a segmentation fault now and then. ``faulthandler`` looks at all at once.

    >>> import threading
    >>> print(stack_of(threading.get_ident(), 1))  # doctest: +ELLIPSIS
      File "...thread_stacks.py", line ..., in stack_of
        faulthandler.dump_traceback(file, all_threads=True)
    <BLANKLINE>
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        stacks = {int(found[1], 16): found[2] for found in _THREAD.finditer(file.read())}
    calls = _CALL.findall(stacks.get(thread, ""))[:depth]
    return "".join(_shown(name, int(line), function) for name, line, function in reversed(calls))


def _shown(name: str, line: int, function: str) -> str:
    source = linecache.getline(name, line).strip()
    return f'  File "{name}", line {line}, in {function}\n' + (f"    {source}\n" if source else "")
