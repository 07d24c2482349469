"""What is loaded of what somebody else has put into the store, and what is told of passwords."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
from celery import Celery, states
from celery.exceptions import SecurityError
from celery.result import AsyncResult
from kombu.exceptions import ContentDisallowed

from .. import YES, ResultBackend, ResultWorker, check, except_on, no
from .concerned import DATABASE, is_one, only_since
from .families import DATABASES, RPC
from .limits import LIMIT
from .second_app import second_app
from .stored import last_state_of, records_of

#: A module of the standard library that nothing imports of itself, and that prints when it is imported.
UNUSED = "this"
OF_BEFORE = no("Celery takes a row that begins like a pickle for one from before 5.7, and loads it")
NO_PASSWORD = no("its URL has no room for a password")


def planted(result_backend: ResultBackend, error: dict[str, Any]) -> str:
    """The id of a failure that says what somebody wanted it to say."""
    with second_app(result_backend) as app:
        app.backend.store_result("planted", error, states.FAILURE)
    assert last_state_of(result_backend, "planted") == states.FAILURE
    return "planted"


def with_password(url: str) -> str:
    """The URL with a password of our own, which Azure has in a place of its own."""
    found, count = re.subn("AccountKey=[^;]*", "AccountKey=planted", url)
    return found if count else re.sub("://([^/@;]*@)?", "://somebody:planted@", url)


class TestContentSecurity:
    """userguide/security: https://docs.celeryq.dev/en/stable/userguide/security.html#serializers."""

    @pytest.fixture
    def pickled(self, result_worker: ResultWorker, result_backend: ResultBackend) -> AsyncResult:
        """The result of a task that returns what JSON would change."""

        @result_worker.task(name="conformance.pair")
        def pair() -> dict[str, Any]:
            return {"pair": (1, 2)}

        result: AsyncResult = pair.delay()
        result_worker.drain()
        assert len(records_of(result_backend, result)) == 1
        return result

    @except_on(*DATABASES, verdict=OF_BEFORE)
    @except_on("django-cache", verdict=no("Django pickles what it caches"))
    @check("core")
    def test_a_pickle_in_the_store_is_not_loaded(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, accept_content: "Default: {'json'}"; any other content is refused."""
        result_backend.assert_refuses_content("pickle", of="results", timeout=LIMIT)

    @except_on("django-cache", verdict=YES)
    @check("serializers")
    @pytest.mark.celery(result_serializer="pickle", accept_content=["json", "pickle"])
    def test_a_pickle_is_loaded_where_it_is_accepted(self, pickled: AsyncResult, result_app: Celery) -> None:
        """userguide/configuration, accept_content: "A white-list of content-types/serializers to allow"."""
        if is_one(result_app, DATABASE):
            only_since(5, 7)  # before, each row is a pickle
        assert pickled.get(timeout=LIMIT) == {"pair": (1, 2)}

    @except_on(*DATABASES, verdict=OF_BEFORE)
    @except_on("django-cache", verdict=no("Django pickles what it caches"))
    @except_on("azureblob", verdict=no("Celery reads text from Azure, and a pickle is none"))
    @check("core")
    @pytest.mark.celery(
        result_serializer="pickle", accept_content=["json", "pickle"], result_accept_content=["json"]
    )
    def test_result_accept_content_decides_for_results(self, pickled: AsyncResult) -> None:
        """userguide/configuration, result_accept_content: "A white-list of content-types/serializers to allow for
        the result backend"."""
        with pytest.raises(ContentDisallowed):
            pickled.get(timeout=LIMIT)

    @check("reread")
    def test_a_function_in_place_of_an_exception_is_not_called(
        self, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """CVE-2021-23727: of what a failure names, nothing but an exception is called (Changelog 5.2.2)."""
        error = {"exc_type": "system", "exc_module": "os", "exc_message": ["true"]}
        result = AsyncResult(planted(result_backend, error), app=result_app)
        with pytest.raises(SecurityError, match="Expected an exception class, got os.system"):
            result.get(timeout=LIMIT)

    @check("reread")
    def test_a_module_that_a_failure_names_is_not_imported(
        self, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """CVE-2021-23727: of a stored exception, only classes that are there already are made (Changelog 5.2.2)."""
        sys.modules.pop(UNUSED, None)
        error = {"exc_type": "Boom", "exc_module": UNUSED, "exc_message": ["told"]}
        result = AsyncResult(planted(result_backend, error), app=result_app)
        found = result.get(timeout=LIMIT, propagate=False)
        assert (type(found).__name__, found.args, UNUSED in sys.modules) == ("Boom", ("told",), False)

    @except_on("django-db", "django-cache", verdict=no("it has no URL: Django's settings say where it is"))
    @except_on("memory", "memcached", "filesystem", *RPC, verdict=NO_PASSWORD)
    @check("core")
    def test_the_password_is_in_no_uri_that_is_shown(self, result_backend: ResultBackend) -> None:
        """celery.backends.base.Backend.as_uri: "Return the backend as an URI, sanitizing the password or not"."""
        url = with_password(result_backend.url)
        # nobody gets in by that password, to make tables
        with second_app(result_backend, result_backend=url, database_create_tables_at_setup=False) as app:
            uris = [app.backend.as_uri(include_password=True), app.backend.as_uri()]
        assert ["planted" in each for each in uris] == [True, False], uris
        assert uris[1]
