"""Redis backends that take no notice of their settings."""

from __future__ import annotations

from typing import Any, ClassVar

from breaking import breaks, mends
from celery.backends.redis import RedisBackend


@breaks("redis", "TestRedisSettings::test_host_port_and_password_lead_to_the_server")
class GoesNowhere(RedisBackend):
    """Goes by nothing but a URL."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.url is None:
            self.connparams["host"] = "0.0.0.1"


@breaks(
    "redis",
    "TestRedisSettings::test_another_host_port_password_or_user_is_an_error",
    "TestRedisSettings::test_redis_db_is_the_database_where_no_url_names_one",
    "TestRedisSettings::test_redis_backend_credential_provider_gives_user_and_password",
    "TestRedisSettings::test_redis_backend_use_ssl_speaks_tls",
    "TestRedisSettings::test_retry_policy_says_how_often_a_write_is_tried_again",
)
class GoesWhereItWas(RedisBackend):
    """Goes where the last one went, whatever it is told."""

    where: ClassVar[dict[str, Any]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.url is None:
            self.connparams = dict(self.where)
        else:
            type(self).where = dict(self.connparams)


@breaks(
    "redis",
    "TestRedisSettings::test_redis_max_connections_limits_the_pool",
    "TestRedisSettings::test_redis_socket_timeout_ends_a_wait_for_an_answer",
    "TestRedisSettings::test_redis_socket_connect_timeout_ends_a_wait_for_a_connection",
    "TestRedisSettings::test_redis_backend_health_check_interval_pings_before_an_idle_connection_is_used",
    "TestRedisSettings::test_redis_client_name_is_what_the_server_lists",
)
class TakesNoOptions(RedisBackend):
    """Connects as it likes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = (
            "max_connections",
            "socket_timeout",
            "socket_connect_timeout",
            "client_name",
            "health_check_interval",
        )
        for name in own:
            self.connparams.pop(name, None)
        self.connparams |= {"socket_timeout": None, "socket_connect_timeout": None}


@breaks("redis", "TestRedisSettings::test_redis_retry_on_timeout_asks_once_more")
class NeverAsksAgain(RedisBackend):
    """Takes the first timeout for an answer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connparams["retry_on_timeout"] = False


@breaks("redis", "TestRedisSettings::test_redis_socket_keepalive_is_set_on_the_socket")
class KeepsNoSocketAlive(RedisBackend):
    """Lets its connections fall asleep."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connparams["socket_keepalive"] = False


@mends("redis")
class LetsSocketsSleep(RedisBackend):
    """Keeps a connection alive where that is asked, whatever redis-py does by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connparams["socket_keepalive"] = bool(self.app.conf.redis_socket_keepalive)


@breaks(
    "redis-lets-sockets-sleep",
    "TestRedisSettings::test_without_redis_socket_keepalive_it_is_not_set_on_the_socket",
)
class KeepsEachSocketAlive(RedisBackend):
    """Keeps its connections alive, whatever the settings say."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connparams["socket_keepalive"] = True
