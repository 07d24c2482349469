"""Tests with database tables of their own names, beside tests that have others or none."""

from __future__ import annotations

import pytest
from running import RunTests

sqlalchemy = pytest.importorskip("sqlalchemy")
pytestmark = pytest.mark.skipif(
    sqlalchemy.__version__.startswith("1."),
    reason="SQLAlchemy 1.4 keeps the name that a table had first for all deletes of the process",
)

#: The last one makes statements that the first, whose connections it uses again, did not make.
THREE_IN_A_ROW = """
pytestmark = pytest.mark.backends("{backend}")

def table_of(result, result_backend):
    assert result.get(timeout=5) == 4
    (stored,) = result_backend.stored()
    return stored.key.partition("/")[0]

def test_before(result_backend):
    assert table_of(add.delay(2, 2), result_backend) == "celery_taskmeta"

@pytest.mark.celery(database_table_names={{"task": "my_task", "group": "my_group"}})
def test_named(result_backend):
    result = add.delay(2, 2)
    assert table_of(result, result_backend) == "my_task"
    result.forget()
    assert result_backend.stored() == []

def test_after(result_backend):
    result = add.delay(2, 2)
    assert table_of(result, result_backend) == "celery_taskmeta"
    result.forget()
    assert result_backend.stored() == []
"""

TWO_APPS = """
from celery import Celery

def four():
    return 4

apps = {{
    name: Celery(name, broker="redis://shop.invalid", backend="redis://shop.invalid", set_as_current=False)
    for name in ("one", "two")
}}
for name, app in apps.items():
    app.conf.database_table_names = {{"task": f"tasks_of_{{name}}", "group": f"groups_of_{{name}}"}}
    app.task(four, name="four", shared=False)

@pytest.fixture(scope="module", params=["one", "two", "one again", "two again"])
def celery_backends_app(request):
    return apps[request.param.partition(" ")[0]]

@pytest.mark.backends("{backend}")
def test_tables(request, celery_backends_app, result_backend):
    result = celery_backends_app.tasks["four"].delay()
    assert result.get(timeout=5) == 4
    (stored,) = result_backend.stored()
    assert stored.key == f"tasks_of_{{celery_backends_app.main}}/{{result.id}}"
    if "again" in request.node.name:
        result.forget()
        assert result_backend.stored() == []
"""


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_names_of_one_tests_tables_are_not_in_force_in_the_next(run_tests: RunTests, backend: str) -> None:
    run_tests(THREE_IN_A_ROW.format(backend=backend)).assert_outcomes(passed=3)


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_two_apps_have_tables_of_different_names(run_tests: RunTests, backend: str) -> None:
    run_tests(TWO_APPS.format(backend=backend)).assert_outcomes(passed=4)
