"""What assertion messages speak of, and how they are laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..lease import Lease


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The backend that a message names.

    ``product`` is what answers, where that is not what the backend is called after.

    >>> print(Subject(backend="redis", version="8.0.2"))
    redis 8.0.2
    >>> print(Subject(backend="redis", version="9.1.2", product="Valkey"))
    redis (Valkey 9.1.2)
    """

    backend: str
    version: str
    product: str = ""

    def __str__(self) -> str:
        answers = f"{self.product} {self.version}".strip()
        return f"{self.backend} ({answers})" if self.product else f"{self.backend} {answers}".rstrip()

    def short(self, task_id: str) -> str:
        """A task on this backend, as messages name it.

        >>> Subject(backend="redis", version="8.0").short("4f1c2f7e-6a1e-4a3c-9d0a-000000000000")
        '4f1c2f7e on redis 8.0'
        """
        return f"{task_id[:8]} on {self}"


def task_id_of(result: Any, lease: Lease) -> str:
    """The id of an AsyncResult or a GroupResult of the app under test, or of what is an id already."""
    if isinstance(result, str):
        return result
    if not hasattr(result, "id"):
        raise failed(
            f"{result!r} is no result", [("takes", "an AsyncResult, a GroupResult or the id of a task")]
        )
    app = getattr(result, "app", None)
    app = getattr(app, "_get_current_object", lambda: app)()
    if app is not None and app is not lease.app:
        raise failed(
            f"result {str(result.id)[:8]} belongs to another app",
            [("its app", repr(app)), ("this test runs", repr(lease.app))],
        )
    return str(result.id)


def failed(headline: str, rows: Sequence[tuple[str, str]]) -> AssertionError:
    """The error of an assertion: what does not hold, then one row for each thing to compare.

    >>> print(failed("it differs", [("expected", "1"), ("observed", "2")]))
    it differs
      expected: 1
      observed: 2
    """
    return AssertionError("\n".join([headline, *(f"  {label}: {text}" for label, text in rows)]))
