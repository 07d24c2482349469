"""What ``mongodb_backend_settings`` does to Celery's MongoDB backend."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult

from .. import ResultBackend, check, except_on, not_yet
from .concerned import MONGODB, only_on
from .limits import LIMIT
from .second_app import second_app
from .stored import stored_by


def app_with(result_backend: ResultBackend, **settings: Any) -> AbstractContextManager[Celery]:
    """An app whose ``mongodb_backend_settings`` are those of the test, with others on top."""
    own = result_backend.settings.get("mongodb_backend_settings") or {}
    return second_app(result_backend, mongodb_backend_settings={**own, **settings})


class TestMongodbSettings:
    """userguide/configuration: https://docs.celeryq.dev/en/stable/userguide/configuration.html#mongodb-backend-settings."""

    @pytest.fixture(autouse=True)
    def _concerned(self, result_app: Celery) -> None:
        only_on(result_app, MONGODB)

    @check("core")
    def test_taskmeta_collection_is_where_results_are(
        self, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, mongodb_backend_settings: "The collection name to store task meta data. Defaults to
        celery_taskmeta"."""
        database = result_app.backend.database.name
        with app_with(result_backend, taskmeta_collection="conformance_tasks") as app:
            task_id = stored_by(app)
        found = result_backend.client[database]
        assert found["conformance_tasks"].count_documents({"_id": task_id}) == 1
        assert found["celery_taskmeta"].count_documents({"_id": task_id}) == 0

    @check("core")
    def test_groupmeta_collection_is_where_groups_are(
        self, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """celery/backends/mongodb.py, MongoBackend: ``groupmeta_collection``, which the user guide does not name."""
        database = result_app.backend.database.name
        with app_with(result_backend, groupmeta_collection="conformance_groups") as app:
            app.GroupResult("conformance-group", [AsyncResult("member", app=app)]).save()
        found = result_backend.client[database]
        assert found["conformance_groups"].count_documents({"_id": "conformance-group"}) == 1

    @check("core")
    def test_database_in_the_settings_wins_over_the_url(
        self, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, mongodb_backend_settings: "The database name to connect to. Defaults to celery"."""
        database = f"{result_app.backend.database.name}_b"
        try:
            with app_with(result_backend, database=database) as app:
                task_id = stored_by(app)
            assert result_backend.client[database]["celery_taskmeta"].count_documents({"_id": task_id}) == 1
            assert result_backend.stored() == []
        finally:
            result_backend.client.drop_database(database)

    @except_on(
        "mongodb", verdict=not_yet("pymongo calls it maxPoolSize, and refuses what Celery passes on", "")
    )
    @check("core")
    def test_max_pool_size_goes_to_the_client(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, mongodb_backend_settings: "Passed as max_pool_size to PyMongo's Connection or
        MongoClient constructor"."""
        with app_with(result_backend, max_pool_size=3) as app:
            self.assert_pool_of_three(app)

    @check("core")
    def test_options_go_to_the_client(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, mongodb_backend_settings: "Additional keyword arguments to pass to the mongodb
        connection constructor"."""
        with app_with(result_backend, options={"maxPoolSize": 3}) as app:
            self.assert_pool_of_three(app)

    def assert_pool_of_three(self, app: Celery) -> None:
        """Assert that the app's client has such a pool, and works."""
        task_id = stored_by(app)
        assert app.backend._get_connection().options.pool_options.max_pool_size == 3
        assert AsyncResult(task_id, app=app).get(timeout=LIMIT) == "stored"

    @check("core")
    def test_host_in_the_settings_wins_over_the_url(self, result_backend: ResultBackend) -> None:
        """celery/backends/mongodb.py, MongoBackend: ``host`` and ``port`` "should take over uri conf"."""
        from pymongo.errors import PyMongoError

        quick = {"serverSelectionTimeoutMS": 200, "connectTimeoutMS": 200}
        with (
            app_with(result_backend, host="0.0.0.1", port=1, options=quick) as app,
            pytest.raises(PyMongoError),
        ):
            stored_by(app)
        assert result_backend.stored() == []
