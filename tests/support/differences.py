"""The mark ``differs``: where a backend is known to do otherwise, a test of it is expected to fail, strictly."""

from __future__ import annotations

from typing import Final

import pytest

from pytest_celery_backends.celery_release import celery_release

MARK: Final = "differs(*backends, why, issue, since, until): not as documented there, on these Celerys"


def expect(request: pytest.FixtureRequest, backend: str) -> None:
    """Expect a test to fail on *backend* where its marks say so, and to say so once it does not."""
    for mark in request.node.iter_markers("differs"):
        if backend in mark.args and _is_about_this_celery(**mark.kwargs):
            issue = mark.kwargs.get("issue")
            reason = " ".join([mark.kwargs["why"], *([f"({issue})"] if issue else [])])
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))


def _is_about_this_celery(
    why: str, issue: str = "", since: tuple[int, int] = (0, 0), until: tuple[int, int] = (99, 0)
) -> bool:
    return since <= celery_release() < until
