"""What docs/how-to/reproduce-a-bug.md walks through, from the report to the bundle."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "reproduce-a-bug.md"
FIRST, KEPT = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
OPTIONS = ("-q", "--celery-backends-provider=embedded", "-p", "no:cacheprovider")


def test_the_test_fails_where_the_report_says_and_its_bundle_repeats_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_reported=FIRST)
    result = pytester.runpytest_subprocess(*OPTIONS, "--celery-backends-report=bundles/", timeout=60)
    assert result.parseoutcomes().items() >= {"failed": 1, "passed": 3}.items()
    result.stdout.fnmatch_lines(
        ["*10678_what_is_gone_can_be_forgotten *✗ failed *✓ passed*✓ passed*✓ passed"]
    )
    (bundle,) = (pytester.path / "bundles").iterdir()
    assert bundle.name.endswith("-filesystem")
    assert {"README.md", "environment.txt", "reproduce.py"} <= {each.name for each in bundle.iterdir()}
    done = subprocess.run(
        [sys.executable, bundle / "reproduce.py"],
        cwd=pytester.path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    told = [line.partition(": ")[2] for line in done.stdout.splitlines()]
    assert told == ["stored SUCCESS 2, read SUCCESS 2", "read SUCCESS 2", "forgotten"]
    assert done.stderr.splitlines()[-1].startswith("FileNotFoundError: [Errno 2] No such file or directory")


def test_the_test_that_is_kept_expects_that(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_reported=KEPT)
    result = pytester.runpytest_subprocess(*OPTIONS, timeout=60)
    assert result.parseoutcomes().items() >= {"xfailed": 1, "passed": 3}.items()
    assert result.ret == 0
