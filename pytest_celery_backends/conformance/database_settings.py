"""What each ``database_*`` setting does to Celery's database backend."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import Celery, states
from celery.result import AsyncResult, GroupResult

from .. import ResultBackend, check
from .concerned import DATABASE, only_on, only_since, unsupported
from .limits import LIMIT
from .second_app import second_app
from .stored import last_state_of, records_of, stored_by

OWN_TABLES = {"task": "conformance_tasks", "group": "conformance_groups"}


def schema_of(result_backend: ResultBackend) -> str:
    """The schema that the tables of a test are in."""
    url = str(result_backend.url)
    named = re.search(r"search_path(?:=|%3D)(\w+)", url)
    return "main" if "sqlite" in url else named[1] if named else url.rpartition("/")[2].partition("?")[0]


@contextmanager
def in_schema(schema: str) -> Iterator[dict[str, str]]:
    """The setting; Celery keeps it in its models, which have to be as they were afterwards."""
    from celery.backends.database.models import Task, TaskSet

    before = [(each, each.__table__.schema, each.__table__.name) for each in (Task, TaskSet)]
    try:
        yield {"task": schema, "group": schema}
    finally:
        for model, place, name in before:
            model.configure(schema=place, name=name)


class TestDatabaseSettings:
    """userguide/configuration: https://docs.celeryq.dev/en/stable/userguide/configuration.html#conf-database-result-backend."""

    @pytest.fixture(autouse=True)
    def _concerned(self, result_app: Celery) -> None:
        only_on(result_app, DATABASE)

    @check("core")
    def test_database_url_leads_to_the_database(self, result_backend: ResultBackend) -> None:
        """celery/backends/database: "Do you have the database_url setting set to a real value?" of a URL without."""
        name, _, url = result_backend.url.partition("+")
        with second_app(result_backend, result_backend=name, database_url=url) as app:
            assert last_state_of(result_backend, stored_by(app)) == states.SUCCESS

    @check("core")
    def test_database_engine_options_go_to_the_engine(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, database_engine_options: "additional SQLAlchemy database engine options"."""
        options = {"execution_options": {"conformance": "told"}}
        with second_app(result_backend, database_engine_options=options) as app:
            assert last_state_of(result_backend, stored_by(app)) == states.SUCCESS
            session = app.backend.ResultSession()
            told = session.get_bind().get_execution_options()
            session.close()
        assert told["conformance"] == "told"

    @check("core")
    def test_options_of_a_pool_do_no_harm_to_a_client_that_has_none(
        self, result_backend: ResultBackend
    ) -> None:
        """celery/backends/database/session.py: ``pool_size`` and the like are for processes that were forked; others
        keep no connection."""
        with second_app(result_backend, database_engine_options={"pool_size": 2}) as app:
            task_id = stored_by(app)
            with result_backend.commands() as commands:
                states_read = [app.backend.get_task_meta(task_id, cache=False)["status"] for _ in range(3)]
        assert states_read == [states.SUCCESS] * 3
        assert [each.is_open for each in commands.connections] == [False] * 3

    @check("core")
    def test_database_engine_callback_is_given_the_engine(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, database_engine_callback: what is called with the engine that was made."""
        only_since(5, 7)
        given: list[Any] = []
        with second_app(result_backend, database_engine_callback=given.append) as app:
            task_id = stored_by(app)
        assert [hasattr(each, "dialect") for each in given] == [True] * max(1, len(given))
        assert last_state_of(result_backend, task_id) == states.SUCCESS

    @check("core")
    @pytest.mark.celery(database_short_lived_sessions=True)
    def test_database_short_lived_sessions_are_made_anew_for_each_use(
        self, check_done: AsyncResult, result_app: Celery, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, database_short_lived_sessions: "Short lived sessions are disabled by default"."""
        only_since(5, 5)
        backend = result_app.backend
        assert backend.get_state(check_done.id) == states.SUCCESS
        [before] = backend.session_manager._sessions.values()
        assert backend.get_state(check_done.id) == states.SUCCESS
        [after] = backend.session_manager._sessions.values()
        assert after is not before

    @check("core")
    def test_sessions_are_long_lived_where_nothing_is_set(
        self, check_done: AsyncResult, result_app: Celery
    ) -> None:
        """userguide/configuration, database_short_lived_sessions: "disabled by default"."""
        only_since(5, 5)
        if result_app.conf.database_short_lived_sessions:
            unsupported("the app under test sets database_short_lived_sessions")
        backend = result_app.backend
        assert backend.get_state(check_done.id) == states.SUCCESS
        [before] = backend.session_manager._sessions.values()
        assert backend.get_state(check_done.id) == states.SUCCESS
        assert list(backend.session_manager._sessions.values()) == [before]

    @check("core")
    @pytest.mark.celery(database_table_names=OWN_TABLES)
    def test_database_table_names_are_the_tables_that_results_are_in(
        self, check_saved: GroupResult, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, database_table_names: "This setting allows you to customize the table
        names"."""
        tables = {
            each.kind: [name for name in OWN_TABLES.values() if name in each.key]
            for each in result_backend.stored()
        }
        assert tables == {"task": ["conformance_tasks"], "group": ["conformance_groups"]}
        assert check_saved.get(timeout=LIMIT) == [0, 2]

    @check("core")
    def test_database_table_schemas_are_the_schemas_of_the_tables(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, database_table_schemas: "This setting allows you to customize the schema of
        the tables"."""
        schema = schema_of(result_backend)
        with (
            in_schema(schema) as schemas,
            second_app(result_backend, database_table_schemas=schemas) as app,
            result_backend.commands() as commands,
        ):
            task_id = stored_by(app)
        written = [re.sub('["`]', "", text) for text in commands.texts if text.startswith("INSERT")]
        assert [f"INTO {schema}.celery_taskmeta " in text for text in written] == [True]
        assert len(records_of(result_backend, task_id)) == 1

    @check("core")
    def test_database_create_tables_at_setup_says_when_tables_are_made(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, database_create_tables_at_setup: "If True, Celery will create the tables in the
        database during setup. If False, Celery will create the tables lazily"."""
        only_since(5, 5)
        asked = {}
        for at_setup in (True, False):
            with second_app(result_backend, database_create_tables_at_setup=at_setup) as app:
                with result_backend.commands() as commands:
                    assert app.backend is not None
                asked[at_setup] = bool(commands.texts)
                assert AsyncResult(stored_by(app), app=app).get(timeout=LIMIT) == "stored"
        assert asked == {True: True, False: False}
