"""What runs wrote on servers that were given by URL, and which of them are dead."""

from __future__ import annotations

from pathlib import Path

from pytest_celery_backends.providers.run_directory import RunDirectory
from pytest_celery_backends.providers.visits import Visits

URL = "redis://:s3cret@localhost/0"
DEAD = "pcb-00000000"


def test_a_dead_runs_visit_is_known_until_it_is_forgotten(tmp_path: Path) -> None:
    Visits(tmp_path, DEAD).note("redis", URL)
    mine = Visits(tmp_path, "pcb-11111111")
    assert mine.dead("redis", URL) == [DEAD]
    assert mine.dead("redis", "redis://elsewhere/0") == []
    assert mine.dead("postgres", URL) == []
    mine.forget(DEAD, "redis", URL)
    assert mine.dead("redis", URL) == []
    assert list(tmp_path.iterdir()) == []


def test_a_live_runs_visit_is_none_of_our_business(tmp_path: Path) -> None:
    run = RunDirectory(root=tmp_path)
    assert run.path
    Visits(tmp_path, run.id).note("redis", URL)
    assert Visits(tmp_path, "pcb-11111111").dead("redis", URL) == []
    run.close()
    assert Visits(tmp_path, "pcb-11111111").dead("redis", URL) == [run.id]


def test_one_visit_is_forgotten_and_the_others_stay(tmp_path: Path) -> None:
    dead = Visits(tmp_path, DEAD)
    dead.note("redis", URL)
    dead.note("postgres", URL)
    mine = Visits(tmp_path, "pcb-11111111")
    mine.forget(DEAD, "redis", URL)
    assert mine.dead("postgres", URL) == [DEAD]


def test_who_leaves_leaves_no_record(tmp_path: Path) -> None:
    visits = Visits(tmp_path, DEAD)
    visits.note("redis", URL)
    visits.leave()
    visits.leave()
    assert list(tmp_path.iterdir()) == []


def test_a_record_holds_no_password(tmp_path: Path) -> None:
    Visits(tmp_path, DEAD).note("redis", URL)
    (record,) = tmp_path.iterdir()
    assert "s3cret" not in record.read_text()
    assert record.stat().st_mode & 0o077 == 0
