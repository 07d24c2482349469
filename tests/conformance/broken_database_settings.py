"""Database and MongoDB backends that take no notice of their settings."""

from __future__ import annotations

from typing import Any

from breaking import breaks, mends
from celery.backends.database import DatabaseBackend
from celery.backends.mongodb import MongoBackend
from pymongo import uri_parser


@breaks("sqlite", "TestDatabaseSettings::test_database_url_leads_to_the_database")
class GoesToItsOwnDatabase(DatabaseBackend):
    """Goes by nothing but the URL of ``result_backend``."""

    def __init__(self, dburi: Any = None, engine_options: Any = None, url: Any = None, **kwargs: Any) -> None:
        super().__init__(dburi, engine_options, url or "sqlite://", **kwargs)


@breaks(
    "sqlite",
    "TestDatabaseSettings::test_database_engine_options_go_to_the_engine",
    "TestPooling::test_a_pool_of_one_connection_is_enough_for_a_process",
)
class TakesNoEngineOptions(DatabaseBackend):
    """Makes its engine as it likes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.engine_options: dict[str, Any] = {}


@breaks("sqlite", "TestDatabaseSettings::test_options_of_a_pool_do_no_harm_to_a_client_that_has_none")
class KeepsConnections(DatabaseBackend):
    """Keeps a pool in every process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.session_manager.forked = True


@breaks("sqlite", "TestDatabaseSettings::test_database_engine_callback_is_given_the_engine")
class TellsNobodyOfItsEngine(DatabaseBackend):
    """Calls nobody back."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, engine_callback=None, **kwargs)


@breaks("sqlite", "TestDatabaseSettings::test_database_short_lived_sessions_are_made_anew_for_each_use")
class KeepsSessions(DatabaseBackend):
    """Uses its sessions for as long as it lives."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, short_lived_sessions=False, **kwargs)


@breaks("sqlite", "TestDatabaseSettings::test_sessions_are_long_lived_where_nothing_is_set")
class KeepsNoSession(DatabaseBackend):
    """Makes a session for each use."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, short_lived_sessions=True, **kwargs)


@breaks(
    "sqlite",
    "TestDatabaseSettings::test_database_table_names_are_the_tables_that_results_are_in",
    "TestDatabaseSettings::test_database_table_schemas_are_the_schemas_of_the_tables",
)
class NamesItsTablesItself(DatabaseBackend):
    """Has its tables where it likes."""

    def ResultSession(self, *args: Any, **kwargs: Any) -> Any:
        for model in (self.task_cls, self.taskset_cls):
            model.configure(schema=None, name=model.__tablename__)
        return super().ResultSession(*args, **kwargs)


@breaks("sqlite", "TestDatabaseSettings::test_database_create_tables_at_setup_says_when_tables_are_made")
class MakesTablesAtOnce(DatabaseBackend):
    """Makes its tables before it is asked for anything."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._create_tables()


@mends("mongodb")
class TakesItsPoolSize(MongoBackend):
    """Passes the size of its pool on by the name that pymongo has for it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "max_pool_size" in self.options:
            self.options["maxPoolSize"] = self.options.pop("max_pool_size")


@breaks("mongodb-takes-its-pool-size", "TestMongodbSettings::test_max_pool_size_goes_to_the_client")
class DropsItsPoolSize(MongoBackend):
    """Takes no notice of ``max_pool_size``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.options.pop("max_pool_size", None)


@breaks(
    "mongodb",
    "TestMongodbSettings::test_taskmeta_collection_is_where_results_are",
    "TestMongodbSettings::test_groupmeta_collection_is_where_groups_are",
    "TestMongodbSettings::test_database_in_the_settings_wins_over_the_url",
    "TestMongodbSettings::test_options_go_to_the_client",
    "TestMongodbSettings::test_host_in_the_settings_wins_over_the_url",
)
class GoesByItsUrl(MongoBackend):
    """Takes its URL's word, and no other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        named = uri_parser.parse_uri(self.url)
        self.mongo_host = [f"{host}:{port}" for host, port in named["nodelist"]]
        self.database_name = named["database"]
        self.taskmeta_collection, self.groupmeta_collection = "celery_taskmeta", "celery_groupmeta"
        self.options = {**named["options"], "serverSelectionTimeoutMS": 5000}
