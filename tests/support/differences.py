"""The mark ``differs``: where a backend is known to do otherwise, a test of it is expected to fail, strictly."""

from __future__ import annotations

from typing import Final

import pytest

from pytest_celery_backends.celery_release import celery_release

MARK: Final = (
    "differs(*backends, why, raises=AssertionError, issue, since, until): "
    "not as documented there, on these Celerys: it raises that"
)


def expect(request: pytest.FixtureRequest, backend: str) -> None:
    """Expect a test to fail on *backend* as its marks say, and to say so once it does not, or fails otherwise."""
    for mark in request.node.iter_markers("differs"):
        expected = differs(*mark.args, **mark.kwargs)
        if expected is not None and backend in mark.args:
            request.applymarker(expected)


def differs(
    *backends: str,
    why: str,
    raises: type[BaseException] | tuple[type[BaseException], ...] = AssertionError,
    issue: str = "",
    since: tuple[int, int] = (0, 0),
    until: tuple[int, int] = (99, 0),
) -> pytest.MarkDecorator | None:
    """The signature of the mark: what it is to pytest, and None on a Celery that it is not about."""
    if not since <= celery_release() < until:
        return None
    reason = f"{why} ({issue})" if issue else why
    return pytest.mark.xfail(reason=reason, raises=raises, strict=True)
