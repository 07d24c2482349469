"""Keeps threads from making syntax trees at the same time, where Python cannot."""

from __future__ import annotations

import ast
import functools
import sys
import threading
from typing import Any, Final

from .garbage import no_garbage_collected

#: https://github.com/python/cpython/issues/106905, mended in 3.11.8 and 3.12.2.
IS_BROKEN: Final = (3, 11) <= sys.version_info < (3, 11, 8) or (3, 12) <= sys.version_info < (3, 12, 2)
_LOCK: Final = threading.RLock()


def make_one_at_a_time() -> None:
    """Let a thread wait while another one parses.

    On some releases of Python two threads that parse break each other's count of recursions, and one gets
    "SystemError: AST constructor recursion depth mismatch". Both do here: the worker while it formats the
    traceback of a failed task, pytest while it reports a failed test, which then ends the whole run.
    """
    if IS_BROKEN and not hasattr(ast.parse, "__wrapped__"):
        ast.parse = _alone(ast.parse)


def _alone(parse: Any) -> Any:
    @functools.wraps(parse)
    def parse_alone(*args: Any, **kwargs: Any) -> Any:
        # what is done to garbage may parse in turn, as pytest does where an object could not be closed
        with _LOCK, no_garbage_collected():
            return parse(*args, **kwargs)

    return parse_alone
