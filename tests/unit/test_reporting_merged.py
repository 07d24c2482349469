"""Reports of the conformance kit, merged, and the tables that are made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_celery_backends.__main__ import files, main
from pytest_celery_backends.reporting import behaviour
from pytest_celery_backends.reporting.merged import Answer, BadReport, Merged, document, merge

KEPT, LOST = "TestStates::test_it_is_kept", "TestWaits::test_it_is_waited_for"


def report(celery: str, answers: dict[str, dict[str, str]], server: str = "Redis 8.0.2 (container)") -> Any:
    """A report as a run writes it; *answers* has a verdict, or "verdict: reason", by backend and check."""
    checks = list(dict.fromkeys(check for told in answers.values() for check in told))
    return {
        "schema": 1,
        "backends": [],
        "tests": [],
        "conformance": {
            "celery": celery,
            "backends": [
                {"name": name, "subject": f"{name} 1", "server": server, "counts": {}} for name in answers
            ],
            "checks": [
                {
                    "check": check,
                    "topic": check.partition("::")[0].removeprefix("Test").lower(),
                    "capability": "core",
                    "rests_on": "userguide/tasks,\n  ``States``",
                    "outcomes": {
                        name: dict(
                            zip(("verdict", "reason"), (*told[check].split(": ", 1), ""), strict=False)
                        )
                        for name, told in answers.items()
                        if check in told
                    },
                }
                for check in checks
            ],
        },
    }


OLD = report("5.4.0", {"redis": {KEPT: "conform", LOST: "known gap: it hangs (celery#12)"}})
NEW = report("5.10.1", {"redis": {KEPT: "conform", LOST: "conform"}, "rpc": {KEPT: "unsupported: told once"}})


@pytest.fixture
def both() -> Merged:
    """What two releases said."""
    return merge({"old.json": OLD, "new.json": NEW})


def test_columns_are_kept_by_release_and_backend(both: Merged) -> None:
    assert both.ordered_releases == ["5.4.0", "5.10.1"]
    assert {release: list(columns) for release, columns in both.releases.items()} == {
        "5.4.0": ["redis"],
        "5.10.1": ["redis", "rpc"],
    }
    assert both.releases["5.4.0"]["redis"].answers[LOST] == Answer(
        verdict="known gap", reason="it hangs (celery#12)"
    )


def test_what_was_merged_can_be_merged_again(both: Merged) -> None:
    again = merge({"behaviour.json": json.loads(json.dumps(document(both)))})
    assert document(again) == document(both)
    assert LOST not in again.releases["5.10.1"]["rpc"].answers
    assert document(merge({"behaviour.json": document(both), "new.json": NEW})) == document(both)


def test_a_check_that_ran_twice_is_as_good_as_its_worst_run() -> None:
    verdicts = ["conform", "failure: it raised", "skipped", "unsupported: by design"]
    runs = {str(number): report("5.7.0", {"redis": {KEPT: told}}) for number, told in enumerate(verdicts)}
    assert merge(runs).releases["5.7.0"]["redis"].answers[KEPT] == Answer(
        verdict="failure", reason="it raised"
    )


def test_a_check_with_several_values_is_as_good_as_its_worst() -> None:
    runs = [report("5.7.0", {"redis": {KEPT: told}}) for told in ("failure: it raised", "conform")]
    runs[1]["conformance"]["checks"][:0] = runs[0]["conformance"]["checks"]
    assert merge({"report.json": runs[1]}).releases["5.7.0"]["redis"].answers[KEPT] == Answer(
        verdict="failure", reason="it raised"
    )


def test_a_candidate_comes_before_its_release() -> None:
    releases = ["5.7.1", "5.7.0", "5.7.0rc1", "5.10.0b2"]
    runs = {release: report(release, {"redis": {KEPT: "conform"}}) for release in releases}
    assert merge(runs).ordered_releases == ["5.7.0rc1", "5.7.0", "5.7.1", "5.10.0b2"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_server_that_could_not_be_had_once_is_the_one_that_ran(order: tuple[int, int]) -> None:
    runs = [
        report("5.7.0", {"redis": {KEPT: "unavailable: no server"}}, server=""),
        report("5.7.0", {"redis": {LOST: "conform"}}),
    ]
    column = merge({str(number): runs[number] for number in order}).releases["5.7.0"]["redis"]
    assert (column.server, column.answers[KEPT].verdict) == ("Redis 8.0.2 (container)", "unavailable")


def test_a_check_that_was_skipped_once_has_run() -> None:
    runs = {told: report("5.7.0", {"redis": {KEPT: told}}) for told in ("skipped", "conform", "unavailable")}
    assert merge(runs).releases["5.7.0"]["redis"].answers[KEPT] == Answer(verdict="conform")


def test_the_page_is_about_the_newest_release(both: Merged) -> None:
    text = behaviour.page(both)
    assert text.startswith(
        "# What backends do on Celery 5.10.1\n\n2 checks of the conformance kit on 2 backends: "
    )
    assert "| redis | Redis 8.0.2 (container) | 2 | 0 | 0 | 0 |" in text
    assert "| it is kept | ✓ | [no](#teststates-it-is-kept) |" in text
    assert "| it is waited for | ✓ |  |" in text
    assert (
        '- <a id="teststates-it-is-kept"></a>**it is kept** (`TestStates::test_it_is_kept`, core): '
        "userguide/tasks, `States`\n  - rpc: unsupported: told once\n" in text
    )


def test_what_changed_is_listed_by_backends_that_changed_alike(both: Merged) -> None:
    text = behaviour.by_version(both)
    assert "| redis | 1 of 2, Redis 8.0.2 (container) | 2 of 2, Redis 8.0.2 (container) |" in text
    assert "| rpc | not run | 0 of 1, Redis 8.0.2 (container) |" in text
    assert text.endswith(
        "## redis\n\n| check | 5.4.0 | 5.10.1 |\n| --- | --- | --- |\n"
        "| [it is waited for](behaviour.md#testwaits-it-is-waited-for) "
        "| gap [celery#12](https://github.com/celery/celery/issues/12) | ✓ |\n\n"
        "## rpc\n\nNothing changed.\n"
    )


# -- the command


def written(directory: Path, **reports: Any) -> list[str]:
    """Files with reports in them, by their names."""
    for name, told in reports.items():
        (directory / f"{name}.json").write_text(json.dumps(told), encoding="utf-8")
    return [str(directory / f"{name}.json") for name in reports]


def test_the_command_writes_what_was_merged_and_both_tables(
    tmp_path: Path, both: Merged, capsys: pytest.CaptureFixture[str]
) -> None:
    names, output = written(tmp_path, old=OLD, new=NEW), tmp_path / "pages"
    assert main(["merge", *names, "-o", str(output)]) == 0
    assert {path.name: path.read_text(encoding="utf-8") for path in output.iterdir()} == files(both)
    assert capsys.readouterr().out == (
        f"wrote behaviour.json, behaviour.md, behaviour-by-version.md to {output}\n"
    )


def test_the_command_prints_both_tables(
    tmp_path: Path, both: Merged, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["merge", *written(tmp_path, old=OLD, new=NEW)]) == 0
    assert capsys.readouterr().out == f"{behaviour.page(both)}\n{behaviour.by_version(both)}"


RUN_THE_KIT = (
    "  type: pytest --pyargs pytest_celery_backends.conformance --celery-backends-report=report.json\n"
)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", "it holds a list"),
        (None, "No such file or directory"),
    ],
    ids=["no JSON", "a list", "no file"],
)
def test_what_is_no_report_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, seen: str
) -> None:
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert main(["merge", str(path)]) == 2
    assert capsys.readouterr().err == f"{path} is no report\n  {seen}\n{RUN_THE_KIT}"


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ({"schema": 1, "backends": []}, "it has schema, backends, and no checks"),
        ({"conformance": {"celery": "5.7.0"}}, "KeyError: 'backends'"),
        (
            {"conformance": {"celery": "newest", "backends": [], "checks": []}},
            "InvalidVersion: Invalid version: 'newest'",
        ),
        (
            {"schema": 1, "releases": 1, "checks": []},
            "AttributeError: 'list' object has no attribute 'items'",
        ),
        ({"schema": 2, "releases": {}, "checks": {}}, "ValueError: its schema is 2, not 1"),
        ({"schema": 1, "releases": {}, "checks": {}}, "it has schema, releases, checks, and no checks"),
    ],
    ids=[
        "no checks",
        "half a report",
        "no release",
        "half a merged one",
        "of another schema",
        "of no release",
    ],
)
def test_a_report_without_checks_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], told: Any, seen: str
) -> None:
    (path,) = written(tmp_path, report=told)
    assert main(["merge", path]) == 2
    assert capsys.readouterr().err == f"{path} is no report of the conformance kit\n  {seen}\n{RUN_THE_KIT}"


def test_two_servers_are_not_one_column() -> None:
    other = report("5.4.0", {"redis": {KEPT: "conform"}}, server="Valkey 9.1.2 (embedded)")
    with pytest.raises(BadReport) as caught:
        merge({"old.json": OLD, "other.json": other})
    assert str(caught.value).splitlines() == [
        "redis on Celery 5.4.0 was Redis 8.0.2 (container) in old.json and Valkey 9.1.2 (embedded) in other.json",
        "  a column is one server: the two may behave differently",
        "  type: python -m pytest_celery_backends merge  # with old.json or other.json, not with both",
    ]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = written(tmp_path, old=OLD)
    assert main(["merge", path, "-o", path]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"{path} cannot be written: File exists",
        "  type: python -m pytest_celery_backends merge --output DIRECTORY",
    ]
