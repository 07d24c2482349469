"""What each ``result_*`` setting does, where no other topic shows it."""

from __future__ import annotations

import threading

import pytest
from celery import Celery, states
from celery.result import AsyncResult

from .. import ResultBackend, ResultWorker, check, except_on, no
from .concerned import KEYS, REDIS, RPC, is_one, only_on, only_since
from .limits import LIMIT
from .metadata import NAMELESS
from .second_app import second_app
from .stored import last_state_of, records_of
from .tasks import CheckTasks

#: Long enough to be compressed, and to be seen by the size of what has it.
TEXT = "all work and no play " * 100
#: AMQP's delivery modes.
TRANSIENT, PERSISTENT = 1, 2


class TestResultSettings:
    """userguide/configuration: https://docs.celeryq.dev/en/stable/userguide/configuration.html#task-result-backend-settings."""

    @check("reread")
    def test_result_backend_leads_another_app_to_the_same_results(
        self, check_done: AsyncResult, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_backend: "The backend used to store task results"."""
        assert last_state_of(result_backend, check_done) == states.SUCCESS
        with second_app(result_backend) as app:
            assert AsyncResult(check_done.id, app=app).result == 4

    @check("serializers")
    def test_result_serializer_decides_what_becomes_of_a_value(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, result_serializer: "Result serialization format"."""
        for serializer, expected in (("json", [1, 2]), ("pickle", (1, 2))):
            result_backend.assert_round_trip(
                (1, 2), serializer=serializer, comes_back_as=expected, timeout=LIMIT
            )

    @check("compression")
    def test_result_compression_compresses_what_is_stored(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, result_compression: "Optional compression method used for task results"."""
        result_backend.assert_compressed(TEXT, method="gzip", saves=1000, timeout=LIMIT)

    @check("compression")
    def test_what_was_compressed_is_read_where_result_compression_is_not_set(
        self, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, result_compression: each reader sees by the result how it is stored."""
        with second_app(result_backend, result_compression="gzip") as app:
            app.backend.store_result("conformance-compressed", TEXT, states.SUCCESS)
        (found,) = records_of(result_backend, "conformance-compressed")
        assert TEXT.encode() not in found.raw
        assert AsyncResult("conformance-compressed", app=result_app).get(timeout=LIMIT) == TEXT

    @pytest.fixture
    def secret(self, result_worker: ResultWorker) -> AsyncResult:
        """The result of a task that returns nothing of what it was given."""

        @result_worker.task(name="conformance.hide")
        def hide(text: str) -> None: ...

        result: AsyncResult = hide.delay(text=TEXT)
        result_worker.drain()
        return result

    @except_on("django-db", verdict=NAMELESS)
    @check("extended")
    @pytest.mark.celery(result_extended=True)
    def test_result_extended_stores_name_and_arguments(
        self, secret: AsyncResult, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, result_extended: "Enables extended task result attributes (name, args, kwargs,
        worker, retries, queue, delivery_info) to be written to backend"."""
        assert [each.size > len(TEXT) for each in records_of(result_backend, secret)] == [True]
        found = AsyncResult(secret.id, app=result_app)
        assert (found.state, found.name) == (states.SUCCESS, "conformance.hide")
        assert found.kwargs == {"text": TEXT}

    @check("core")
    def test_without_result_extended_no_argument_is_stored(
        self, secret: AsyncResult, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, result_extended: "Default: False"."""
        (stored,) = records_of(result_backend, secret)
        assert (stored.state, stored.size < len(TEXT)) == (states.SUCCESS, True)
        assert [each for each in ("conformance.hide", TEXT) if each.encode() in stored.raw] == []
        found = AsyncResult(secret.id, app=result_app)
        told = (found.state, found.name, found.args, found.kwargs, found.worker)
        assert told == (states.SUCCESS, None, None, None, None)

    @check("reread")
    @pytest.mark.celery(result_cache_max=2)
    def test_result_cache_max_keeps_the_last_results_in_the_client(
        self, check_done: AsyncResult, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, result_cache_max: "the total number of results to cache before older results are
        evicted"."""
        ids = [check_done.id, "conformance-second", "conformance-third"]
        for each in ids[1:]:
            result_app.backend.store_result(each, each, states.SUCCESS)
        asked = [
            self.asked(result_backend, result_app, each) for each in (ids[0], ids[0], ids[1], ids[2], ids[0])
        ]
        assert asked == [True, False, True, True, True]

    @check("core")
    def test_without_result_cache_max_each_reading_asks_the_store(
        self, check_done: AsyncResult, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, result_cache_max: "Disabled by default"."""
        assert [self.asked(result_backend, result_app, check_done.id) for _ in range(3)] == [True] * 3

    def asked(self, result_backend: ResultBackend, app: Celery, task_id: str) -> bool:
        """Whether the store is asked when a result is read."""
        with result_backend.commands() as commands:
            assert AsyncResult(task_id, app=app).state == states.SUCCESS
        return any("SUBSCRIBE" not in text for text in commands.texts)

    @check("core")
    @pytest.mark.celery(result_exchange="conformance-exchange", result_exchange_type="topic")
    def test_result_exchange_and_its_type_change_nothing(
        self, check_tasks: CheckTasks, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, RPC backend settings: results go to the caller's queue; there is no exchange."""
        result = check_tasks.add.delay(2, 2)
        result_backend.assert_transitions(result, states.SUCCESS, timeout=LIMIT)
        assert result.get(timeout=LIMIT) == 4

    @check("core")
    @pytest.mark.celery(result_persistent=True)
    def test_result_persistent_lets_messages_outlive_the_broker(
        self, check_done: AsyncResult, result_app: Celery
    ) -> None:
        """userguide/configuration, result_persistent: "If set to True, result messages will be persistent. This means
        the messages won't be lost after a broker restart"."""
        assert self.delivery_mode(result_app) == PERSISTENT

    @check("core")
    def test_without_result_persistent_messages_are_transient(
        self, check_done: AsyncResult, result_app: Celery
    ) -> None:
        """userguide/configuration, result_persistent: "Default: Disabled by default (transient messages)"."""
        assert self.delivery_mode(result_app) == TRANSIENT

    def delivery_mode(self, app: Celery) -> int:
        """How the broker is to keep the message in the reply queue."""
        only_on(app, RPC)
        with app.connection_for_read() as connection:
            message = connection.default_channel.basic_get(app.thread_oid)
            return int(message.properties["delivery_mode"])

    @except_on("django-cache", verdict=no("Django's cache of files names each by a hash of its key"))
    @check("core")
    def test_global_keyprefix_is_before_each_key(
        self, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, result_backend_transport_options: "global_keyprefix": "a global prefix string that
        can be used for all the keys of the result backend"."""
        only_on(result_app, KEYS)
        options = result_backend.settings["result_backend_transport_options"]
        prefix = f"{options.get('global_keyprefix') or ''}second"
        with second_app(
            result_backend, result_backend_transport_options={**options, "global_keyprefix": prefix}
        ) as app:
            key = app.backend.get_key_for_task("conformance-prefixed")
            app.backend.store_result("conformance-prefixed", "stored", states.SUCCESS)
            assert AsyncResult("conformance-prefixed", app=app).get(timeout=LIMIT) == "stored"
        (found,) = records_of(result_backend, "conformance-prefixed")
        shown = key.decode() if isinstance(key, bytes) else key
        assert (found.key, shown.startswith(f"{prefix}_celery-task-meta-")) == (shown, True)
        assert AsyncResult("conformance-prefixed", app=result_app).state == states.PENDING

    @check("core")
    def test_result_backend_thread_safe_shares_one_backend_between_threads(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, result_backend_thread_safe: "If True, then the backend object is shared across
        threads"."""
        shared = {}
        for wanted in (True, False):
            with second_app(result_backend, result_backend_thread_safe=wanted) as app:
                seen = [app.backend]
                thread = threading.Thread(target=lambda app=app, seen=seen: seen.append(app.backend))
                thread.start()
                thread.join(timeout=LIMIT)
                shared[wanted] = seen[0] is seen[1]
        assert shared == {True: True, False: False}

    @check("reread")
    def test_result_failure_expires_is_how_long_failures_stay_on_redis_and_warns_elsewhere(
        self, result_backend: ResultBackend, result_app: Celery
    ) -> None:
        """userguide/configuration, result_failure_expires: how long failed results are kept; "Redis" alone."""
        only_since(5, 7)
        with second_app(result_backend, result_expires=3600, result_failure_expires=60) as app:
            if not is_one(result_app, REDIS):
                with pytest.warns(UserWarning, match="does not support result_failure_expires"):
                    assert app.backend is not None
            app.backend.store_result("conformance-ended", "stored", states.SUCCESS)
            app.backend.store_result("conformance-failed", ValueError("stored"), states.FAILURE)
        lives = [
            each.expires_in
            for name in ("ended", "failed")
            for each in records_of(result_backend, f"conformance-{name}")
        ]
        assert len(lives) == 2
        if is_one(result_app, REDIS):
            assert lives == [pytest.approx(3600, abs=30), pytest.approx(60, abs=30)]
        else:
            assert lives[0] == (None if lives[1] is None else pytest.approx(lives[1], abs=30))
