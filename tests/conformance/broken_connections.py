"""Backends that cannot do without the connection that they had, or that take too many."""

from __future__ import annotations

from typing import Any, ClassVar

from breaking import breaks
from celery.backends.redis import RedisBackend
from redis import Connection
from redis.exceptions import ConnectionError as Lost


class ConnectsOnce(Connection):
    """A connection to a place where nobody connects any more once one is lost."""

    lost: ClassVar[set[int]] = set()

    def connect(self) -> None:
        if self.port in self.lost:
            raise Lost("lost for good")
        super().connect()  # type: ignore[no-untyped-call]

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        self.lost.add(self.port)
        super().disconnect(*args, **kwargs)  # type: ignore[no-untyped-call]


@breaks(
    "redis",
    "TestConnectionLoss::test_what_was_stored_before_a_loss_is_read_after_it",
    "TestConnectionLoss::test_what_is_stored_after_a_loss_is_in_the_store",
    "TestConnectionLoss::test_a_group_that_was_saved_before_a_loss_is_restored_after_it",
)
class NeverConnectsAgain(RedisBackend):
    """Has no second connection for a lost one, beside the app under test."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.app.main == "conformance-second":
            self.connparams["connection_class"] = ConnectsOnce


@breaks("redis", "TestConnectionLoss::test_who_waits_while_the_connection_is_lost_is_told_all_the_same")
class TellsNobodyOfALoss(RedisBackend):
    """Ends the wait of who waits beside the app under test, as for a connection that does not come back."""

    def wait_for_pending(self, result: Any, *args: Any, on_interval: Any = None, **kwargs: Any) -> Any:
        if self.app.main != "conformance-second":
            return super().wait_for_pending(result, *args, on_interval=on_interval, **kwargs)
        self.client.ping()
        on_interval()
        raise Lost("the connection is gone, and nobody makes another")


@breaks("redis", "TestConnectionLoss::test_an_outage_is_an_error_and_ends_with_it")
class KnowsOfNoOutage(RedisBackend):
    """Takes a store that does not answer for an empty one."""

    def get(self, key: Any) -> Any:
        try:
            return super().get(key)
        except Lost:
            return None


@breaks("redis", "TestConnectionLoss::test_an_outage_is_an_error_and_ends_with_it")
class TrustsItsServer(RedisBackend):
    """Stumbles over an outage: what it raises says nothing of it."""

    def get(self, key: Any) -> Any:
        try:
            return super().get(key)
        except Lost:
            raise ValueError("no answer") from None


@breaks(
    "redis",
    "TestConnectionLoss::test_a_result_is_stored_once_the_outage_is_over_where_it_is_always_retried",
    "TestRetries::test_reading_is_tried_again_as_often_as_result_backend_max_retries_says",
    "TestRetries::test_storing_is_tried_again_as_often_as_result_backend_max_retries_says",
)
class GivesUpAtOnce(RedisBackend):
    """Takes no error for one that may pass."""

    def exception_safe_to_retry(self, exc: Exception) -> bool:
        return False


@breaks("redis", "TestRetries::test_without_result_backend_always_retry_nothing_is_tried_again")
class AlwaysTriesAgain(RedisBackend):
    """Tries again, whatever the settings say."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.always_retry, self.max_retries = True, 2


@breaks(
    "redis",
    "TestRetries::test_the_time_between_two_tries_grows_from_the_base_that_is_set",
    "TestRetries::test_the_time_between_two_tries_is_never_above_the_maximum_that_is_set",
)
class TakesItsTime(RedisBackend):
    """Waits between two tries as long as it likes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.base_sleep_between_retries_ms = self.max_sleep_between_retries_ms = 800


@breaks(
    "redis",
    "TestPooling::test_reading_again_and_again_opens_no_connection",
    "TestPooling::test_storing_again_and_again_opens_no_connection",
    "TestPooling::test_waiting_for_twenty_results_takes_no_twenty_connections",
    "TestPooling::test_eight_threads_take_no_more_than_two_connections_each",
)
class ConnectsAnew(RedisBackend):
    """Opens a connection for each read, and leaves it open."""

    def get(self, key: Any) -> Any:
        self.left = [*getattr(self, "left", ()), self._create_client(**self.connparams)]
        return self.left[-1].get(key)


@breaks("redis", "TestPooling::test_an_error_gives_its_connection_back")
class LosesConnectionsByErrors(RedisBackend):
    """Takes a connection out of the pool with each error."""

    def get(self, key: Any) -> Any:
        try:
            return super().get(key)
        except Exception:
            self.client.connection_pool.get_connection()
            raise
