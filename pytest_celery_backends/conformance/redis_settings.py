"""What each ``redis_*`` setting does to Celery's Redis backend."""

from __future__ import annotations

import re
import socket
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, states

from .. import ResultBackend, check, except_on
from .concerned import REDIS, only_on, only_since, unsupported
from .concurrency import at_once
from .deaf_servers import hanging_up, never_accepting
from .families import REDIS_KEEPALIVE
from .limits import LIMIT
from .second_app import second_app
from .stored import last_state_of

#: Where nothing can be: connecting is refused at once.
NOWHERE = "0.0.0.1"


def by_name(result_backend: ResultBackend, /, **settings: Any) -> AbstractContextManager[Celery]:
    """An app that is told by ``redis_*`` settings alone where its server is, with others on top."""
    scheme, _, _ = result_backend.url.partition("://")
    found = re.fullmatch(r"[^;]*://(?:([^:@/]*):([^@/]*)@)?([^:/;]+):(\d+)/?(\d*)", result_backend.url)
    if found is None or scheme.endswith("rediss"):
        unsupported("its server is not one that host, port and password lead to")
    user, password, host, port, db = found.groups()
    there = {
        "redis_host": host,
        "redis_port": int(port),
        "redis_db": int(db or 0),
        "redis_username": user or None,
        "redis_password": password,
    }
    return second_app(result_backend, result_backend=scheme.partition("+")[0], **{**there, **settings})


def stores(app: Celery) -> str:
    """The id of a result that an app has stored."""
    task_id = str(uuid4())
    app.backend.store_result(task_id, "stored", states.SUCCESS)
    return task_id


def connection_of(app: Celery) -> Any:
    """A connection of the app's pool, connected."""
    pool = app.backend.client.connection_pool
    try:
        return pool.get_connection()
    except TypeError:  # redis-py before 5.3
        return pool.get_connection("_")


class TestRedisSettings:
    """userguide/configuration: https://docs.celeryq.dev/en/stable/userguide/configuration.html#conf-redis-result-backend."""

    @pytest.fixture(autouse=True)
    def _concerned(self, result_app: Celery) -> None:
        only_on(result_app, REDIS)

    @check("core")
    def test_host_port_and_password_lead_to_the_server(self, result_backend: ResultBackend) -> None:
        """celery/app/defaults.py, namespace ``redis``: ``host``, ``port``, ``password``, which no page names."""
        with by_name(result_backend) as app:
            assert last_state_of(result_backend, stores(app)) == states.SUCCESS

    @check("core")
    def test_another_host_port_password_or_user_is_an_error(self, result_backend: ResultBackend) -> None:
        """celery/app/defaults.py, namespace ``redis``: each of them counts."""
        from redis.exceptions import RedisError

        wrong = {
            "redis_host": NOWHERE,
            "redis_port": 1,
            "redis_password": "wrong",
            "redis_username": "nobody",
        }
        for name, value in wrong.items():
            with by_name(result_backend, **{name: value}) as app, pytest.raises((RedisError, OSError)):
                stores(app)
        assert result_backend.stored() == []

    @check("core")
    def test_redis_db_is_the_database_where_no_url_names_one(self, result_backend: ResultBackend) -> None:
        """celery/app/defaults.py, namespace ``redis``: ``db``, "Database number to use" where it is part of a URL."""
        with by_name(result_backend, redis_db=3, redis_client_name="conformance-db") as app:
            connection = connection_of(app)
            connection.send_command("CLIENT", "INFO")
            told = connection.read_response()
        assert " db=3 " in (told.decode() if isinstance(told, bytes) else told)

    @check("core")
    def test_redis_max_connections_limits_the_pool(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, redis_max_connections: "Maximum number of connections available in the Redis
        connection pool used for sending and retrieving results"."""
        from redis.exceptions import ConnectionError as Exhausted

        with second_app(result_backend, redis_max_connections=2) as app:
            held = [connection_of(app), connection_of(app)]
            with pytest.raises(Exhausted, match="(?i)too many connections|no connection available"):
                connection_of(app)
            for each in held:
                app.backend.client.connection_pool.release(each)
            assert app.backend.get_state("unknown") == states.PENDING

    @check("core")
    def test_redis_socket_timeout_ends_a_wait_for_an_answer(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, redis_socket_timeout: "Socket timeout for reading/writing operations to the Redis
        server in seconds"."""
        from redis.exceptions import TimeoutError as GaveUp

        with second_app(result_backend, redis_socket_timeout=0.1) as app, pytest.raises(GaveUp):
            app.backend.client.blpop(f"conformance-{uuid4()}", timeout=1)

    @check("core")
    def test_redis_retry_on_timeout_asks_once_more(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, redis_retry_on_timeout: "To retry reading/writing operations on TimeoutError to
        the Redis server"."""
        assert (self.asked(result_backend, False), self.asked(result_backend, True)) == (1, 2)

    def asked(self, result_backend: ResultBackend, is_retried: bool) -> int:
        """How often a server is asked that takes longer to answer than the client waits."""
        from redis.exceptions import TimeoutError as GaveUp

        own = {"redis_socket_timeout": 0.5, "redis_retry_on_timeout": is_retried}
        with second_app(result_backend, **own) as app:
            app.backend.client.ping()
            with result_backend.commands() as commands, pytest.raises(GaveUp):
                app.backend.client.blpop(f"conformance-{uuid4()}", timeout=10)
        return len([text for text in commands.texts if text.startswith("BLPOP")])

    @check("core")
    def test_redis_socket_connect_timeout_ends_a_wait_for_a_connection(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, redis_socket_connect_timeout: "Socket timeout for connections to Redis from the
        result backend in seconds"."""
        from redis.exceptions import TimeoutError as GaveUp

        with never_accepting() as (host, port):
            own = {"redis_host": host, "redis_port": port, "redis_socket_connect_timeout": 0.1}
            with by_name(result_backend, **own) as app, pytest.raises(GaveUp):
                at_once([lambda: connection_of(app)], limit=LIMIT)

    @check("core")
    def test_redis_socket_keepalive_is_set_on_the_socket(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, redis_socket_keepalive: "Socket TCP keepalive to keep connections healthy"."""
        assert self.is_kept_alive(result_backend, True)

    @except_on("redis", "redis-tls", "redis-sentinel", "valkey", verdict=REDIS_KEEPALIVE)
    @check("core")
    def test_without_redis_socket_keepalive_it_is_not_set_on_the_socket(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, redis_socket_keepalive: "Default: False"."""
        assert not self.is_kept_alive(result_backend, False)

    def is_kept_alive(self, result_backend: ResultBackend, wanted: bool) -> bool:
        """Whether the system keeps a connection to the server alive."""
        with second_app(result_backend, redis_socket_keepalive=wanted) as app:
            opened: socket.socket = connection_of(app)._sock
            return bool(opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    @check("core")
    def test_redis_backend_health_check_interval_pings_before_an_idle_connection_is_used(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, redis_backend_health_check_interval: "the number of seconds between health
        checks"."""
        told = {}
        for seconds in (1e-6, 3600):
            with second_app(result_backend, redis_backend_health_check_interval=seconds) as app:
                app.backend.get_state("connects")
                with result_backend.commands() as commands:
                    app.backend.get_state("unknown")
                told[seconds] = sorted(text.partition(" ")[0] for text in commands.texts)
        assert told == {1e-6: ["GET", "PING"], 3600: ["GET"]}

    @check("core")
    def test_redis_client_name_is_what_the_server_lists(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, redis_client_name: "Sets the client name for Redis connections"."""
        only_since(5, 6)
        with second_app(result_backend, redis_client_name="conformance-named") as app:
            app.backend.get_state("unknown")
            names = [each["name"] for each in result_backend.client.client_list()]
        assert "conformance-named" in names

    @check("core")
    def test_redis_backend_credential_provider_gives_user_and_password(
        self, result_backend: ResultBackend
    ) -> None:
        """userguide/configuration, redis_backend_credential_provider: "a credential provider ... of type
        redis.CredentialProvider"."""
        only_since(5, 6)
        from redis import UsernamePasswordCredentialProvider as Credentials
        from redis.exceptions import RedisError

        with by_name(result_backend) as app:
            password = app.conf.redis_password
        own = {"redis_password": None, "redis_username": None}
        with by_name(
            result_backend, redis_backend_credential_provider=Credentials("default", password), **own
        ) as app:
            assert last_state_of(result_backend, stores(app)) == states.SUCCESS
        wrong = Credentials("default", "wrong")
        with (
            by_name(result_backend, redis_backend_credential_provider=wrong) as app,
            pytest.raises(RedisError),
        ):
            stores(app)

    @check("core")
    def test_redis_backend_use_ssl_speaks_tls(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, redis_backend_use_ssl: "The Redis backend supports SSL": a server without hangs
        up."""
        from redis.exceptions import RedisError

        with hanging_up() as (host, port, calls):
            own = {"redis_host": host, "redis_port": port, "redis_backend_use_ssl": {"ssl_cert_reqs": "none"}}
            with by_name(result_backend, **own) as app:
                name = app.backend.client.connection_pool.connection_class.__name__
                with pytest.raises((RedisError, OSError)):
                    connection_of(app)
        assert (name, calls.count >= 1) == ("SSLConnection", True)

    @check("core")
    def test_retry_policy_says_how_often_a_write_is_tried_again(self, result_backend: ResultBackend) -> None:
        """userguide/configuration, result_backend_transport_options: "retry_policy"."""
        from redis.exceptions import RedisError

        policy = {"max_retries": 2, "interval_start": 0, "interval_step": 0, "interval_max": 0}
        options = {**result_backend.settings["result_backend_transport_options"], "retry_policy": policy}
        with hanging_up() as (host, port, calls):
            own = {"redis_host": host, "redis_port": port, "result_backend_transport_options": options}
            with by_name(result_backend, **own) as app, pytest.raises((RedisError, OSError)):
                app.backend.set("conformance", "value")
        assert calls.count == 3
