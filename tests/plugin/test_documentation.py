"""Every Python block of the README, the tutorial and the guides runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "docs/tutorial/first-test.md",
    "docs/how-to/check-a-backend.md",
    "docs/how-to/count-round-trips.md",
    "docs/how-to/follow-a-task.md",
    "docs/how-to/find-leftovers.md",
    "docs/how-to/refuse-content.md",
    "docs/how-to/test-expiry.md",
    "docs/how-to/test-serialization.md",
)

SHOP = {
    "celery": "from celery import Celery\napp = Celery('shop', broker='redis://shop.invalid')\n",
    "tasks": "from celery import shared_task\n@shared_task\ndef total(numbers):\n    return sum(numbers)\n",
    "orders": "from celery import shared_task\n@shared_task\ndef place(sku, n):\n    return {'sku': sku, 'n': n}\n",
}
NAMES = "import pytest\nfrom shop.celery import app\nfrom shop.tasks import total\n\n"


def blocks(page: str) -> list[str]:
    """The Python blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs(page: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("PYTEST_CELERY_BACKENDS", raising=False)
    pytester.mkpydir("shop")
    for module, source in SHOP.items():
        (pytester.path / "shop" / f"{module}.py").write_text(source, encoding="utf-8")
    pytester.makeini("[pytest]\ncelery_backends_app = shop.celery:app\npythonpath = .\n")
    found = blocks(page)
    for number, block in enumerate(found):
        pytester.makepyfile(**{f"test_block_{number}": NAMES + block})
    result = pytester.runpytest_subprocess("-q", "--celery-backends-provider=embedded", timeout=180)
    outcomes = result.parseoutcomes()
    assert found
    assert outcomes["passed"] >= 5
    assert not {"failed", "error", "errors"} & outcomes.keys()


def test_what_is_shown_of_a_declared_lack_that_works_is_what_is_printed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    page = (ROOT / "docs/how-to/check-a-backend.md").read_text(encoding="utf-8")
    hook = next(block for block in blocks("docs/how-to/check-a-backend.md") if "registry" in block)
    shown = re.search(r"^```text\n(.*?)^```", page, re.M | re.S)
    assert shown is not None
    tests = pytester.mkdir("tests")
    (tests / "conftest.py").write_text(hook, encoding="utf-8")
    (tests / "test_acme.py").write_text(
        "from pytest_celery_backends.conformance import TestPayloads\n", encoding="utf-8"
    )
    result = pytester.runpytest_subprocess(
        "tests", "-k", "test_zero_is_a_value", "--celery-backends=acme", timeout=60
    )
    result.stdout.fnmatch_lines([f"*{line.strip()}" for line in shown[1].splitlines()])
