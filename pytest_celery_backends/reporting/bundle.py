"""A directory for each test that failed, ready to be attached to an upstream issue."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

#: What a file's name may be made of, and how long it may be.
_STRANGE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST: Final = 150
#: A case of a test that stays what it is.
_PLAIN: Final = re.compile(r"[\w.:-]*]?", re.ASCII)


def directory_name(nodeid: str) -> str:
    """A test's node id as the name of a directory.

    >>> directory_name("tests/test_shop.py::test_total[redis:7.2-1]")
    'tests-test_shop.py-test_total-redis-7.2-1'
    >>> directory_name("test_shop.py::test_total[redis-a/b]")
    'test_shop.py-test_total-redis-a-b-694355d8'
    """
    name = _STRANGE.sub("-", nodeid).strip("-.")
    module, _, case = nodeid.partition("[")
    if len(name) <= _LONGEST and not re.search(r"[^\w./:-]", module, re.ASCII) and _PLAIN.fullmatch(case):
        return name
    # another test may have the same name once what is strange in both has gone
    digest = hashlib.sha256(nodeid.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{name[-(_LONGEST - len(digest) - 1) :]}-{digest}"


def write_bundle(directory: Path, nodeid: str, files: Mapping[str, str]) -> Path:
    """Write the files of a test; gives where. An earlier run's bundle of the same test is written over."""
    place = directory / directory_name(nodeid)
    place.mkdir(parents=True, exist_ok=True)
    for old in place.iterdir():
        if old.is_file():
            old.unlink()
    for name, text in files.items():
        (place / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8", errors="backslashreplace")
    return place


def readme(nodeid: str, failures: Mapping[str, str], server: str, repeat: str, no_script: str) -> str:
    """What is in a bundle, and how to repeat the test; *failures* are what was raised, by phase."""
    script = (
        "`reproduce.py` repeats the calls on the backend without pytest and this plugin."
        if not no_script
        else f"There is no script that repeats the calls without this plugin: {no_script}."
    )
    return "\n".join(
        [
            f"# {nodeid}",
            "",
            f"It failed on {server}. To repeat it:",
            "",
            f"    {repeat}",
            "",
            script,
            "`environment.txt` is Celery's own report, with the versions of all packages. Passwords are masked in",
            "what this plugin wrote; look through what the test itself printed before you publish it.",
            "",
            *(
                line
                for phase, failure in failures.items()
                for line in (f"Its {phase} failed:", "", "```", failure.strip(), "```", "")
            ),
        ]
    )
