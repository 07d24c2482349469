"""What is done without a run of pytest: ``python -m pytest_celery_backends merge report.json ...``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .errors import BackendsError
from .reporting import behaviour
from .reporting.merged import BadReport, Merged, document, merge

#: What is written into a directory, by name of the file.
PAGES: Final = {behaviour.BEHAVIOUR: behaviour.page, "behaviour-by-version.md": behaviour.by_version}
MERGED: Final = "behaviour.json"


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pytest_celery_backends")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    merging = commands.add_parser(
        "merge", help="tables of what backends do, out of reports of the conformance kit", description=MERGE
    )
    merging.add_argument("reports", nargs="+", type=Path, metavar="REPORT.json")
    merging.add_argument(
        "-o", "--output", metavar="DIRECTORY", type=Path, help="write there; else print the tables"
    )
    given = parser.parse_args(words)
    try:
        _merge(given.reports, given.output)
    except BackendsError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


MERGE: Final = (
    "Reads reports of runs of the conformance kit (celery_backends_report=FILE.json), on several backends and "
    "releases of Celery, and files that were merged before. Writes what they say together (behaviour.json), checks by "
    "backends on the newest Celery (behaviour.md), and what changed between its releases (behaviour-by-version.md)."
)


def _merge(paths: Sequence[Path], output: Path | None) -> None:
    merged = merge({str(path): read(path) for path in paths})
    if output is None:
        sys.stdout.write("\n".join(render(merged) for render in PAGES.values()))
        return
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in files(merged).items():
            (output / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadReport(
            f"{output} cannot be written: {error.strerror}",
            remedy="python -m pytest_celery_backends merge --output DIRECTORY",
        ) from None
    print(f"wrote {', '.join(files(merged))} to {output}")


def files(merged: Merged) -> dict[str, str]:
    """The text of each file that is written."""
    text = json.dumps(document(merged), indent=1, ensure_ascii=False, sort_keys=True)
    return {MERGED: f"{text}\n", **{name: render(merged) for name, render in PAGES.items()}}


def read(path: Path) -> Mapping[str, Any]:
    """What a report holds.

    Raises:
        BadReport: where it cannot be read.
    """
    seen = ""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
        seen = f"it holds a {type(found).__name__}"
    except OSError as error:
        seen = error.strerror or str(error)
    except ValueError as error:  # no JSON, or no text
        seen = str(error)
    raise BadReport(
        f"{path} is no report",
        tried=[seen],
        remedy="pytest --pyargs pytest_celery_backends.conformance --celery-backends-report=report.json",
    )


if __name__ == "__main__":
    sys.exit(main())
