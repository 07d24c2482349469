"""Reads a key prefix of a Redis or Valkey server."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from ..masking import masked
from ..sources import Identity
from ..spec import Copied, Held, NotReady, ProbeContext, Refused, StoredResult, Trace
from .keys import held_in, missing, result_at, subject_of, task_keys
from .redis_urls import client_command, driver_url

#: Seconds after which a silent server is given up.
LIMIT: Final = 10.0
_SCAN_COUNT: Final = 1000


class Connect(Protocol):
    """Connects to the server behind a URL; *limit* is in seconds."""

    def __call__(self, url: str, *, limit: float, retries: int) -> Any:
        """A redis-py client of its own."""


def connected(url: str, *, limit: float, retries: int) -> Any:
    """A redis-py client of its own; *limit* is in seconds for connecting and for every answer."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    retry = Retry(NoBackoff(), retries)
    timeouts: dict[str, Any] = {"socket_timeout": limit}
    if not urlsplit(url).scheme.endswith("socket"):
        timeouts["socket_connect_timeout"] = limit
    return Redis.from_url(driver_url(url), retry=retry, **timeouts)


def identify(url: str, limit: float, *, name: str = "redis", connect: Connect = connected) -> Identity:
    """What the server at *url* says it is; Valkey answers Redis's version too, but is named Valkey.

    *name* is the backend's, for what the user may type.
    """
    from redis import exceptions

    try:
        with connect(url, limit=limit, retries=0) as client:
            info = client.info("server")
    except exceptions.AuthenticationError as error:
        refusal: Exception = Refused(f"the server does not accept user and password: {error}")
    except exceptions.BusyLoadingError as error:
        refusal = NotReady(str(error))
    except exceptions.ResponseError as error:
        refusal = _refusal(error, url, name)
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        refusal = _silence(error, url, name)
    else:
        return _identity(info)
    raise refusal


def _refusal(error: Exception, url: str, name: str) -> Refused:
    if "DB index" in str(error):
        first = urlunsplit(urlsplit(masked(url))._replace(path="/0"))
        return Refused(f"no such database: {error}", f"--celery-backends-url={name}={first}")
    return Refused(str(error), f"{client_command(masked(url))} INFO server")


def _silence(error: Exception, url: str, name: str) -> Exception:
    if "CERTIFICATE_VERIFY_FAILED" not in str(error):
        return NotReady(str(error) or type(error).__name__)
    trusted = urlunsplit(urlsplit(masked(url))._replace(query="ssl_ca_certs=/path/to/ca.pem"))
    return Refused(str(error), f"--celery-backends-url={name}={trusted}")


def _identity(info: dict[str, Any]) -> Identity:
    if "valkey_version" in info:
        return Identity(product="Valkey", version=str(info["valkey_version"]))
    return Identity(product="Redis", version=str(info["redis_version"]))


def sweep(url: str, prefix: str, *, connect: Connect = connected) -> None:
    """Remove every key that begins with a prefix."""
    with connect(url, limit=LIMIT, retries=1) as client:
        for key in client.scan_iter(match=_pattern(prefix), count=_SCAN_COUNT):
            client.unlink(key)


def _pattern(prefix: str) -> str:
    return re.sub(r"([*?\[\]^\\])", r"\\\1", prefix) + "*"


class RedisProbe:
    """Everything whose key begins with the namespace and a colon, in the database that the URL names."""

    def __init__(self, context: ProbeContext, *, connect: Connect = connected) -> None:
        self._context = context
        self._connect = connect
        self._prefix = f"{context.namespace.name}:"
        self._pattern = _pattern(self._prefix)
        self._client: Any = None

    @property
    def client(self) -> Any:
        """A redis-py client; what it gives are bytes."""
        if self._client is None:
            self._client = self._connect(self._context.service.url, limit=LIMIT, retries=1)
        return self._client

    def create(self) -> None:
        """Nothing: a prefix needs no making."""

    def empty(self) -> None:
        """Remove the namespace's keys: 0.1 ms, 2.5 ms beside 20,000 foreign ones."""
        keys = self._keys()
        if keys:
            self.client.unlink(*keys)

    def drop(self) -> None:
        """Remove the namespace's keys and disconnect, also where the server is gone."""
        try:
            self.empty()
        finally:
            if self._client is not None:
                self._client.close()
                self._client = None

    def stored(self) -> Sequence[StoredResult]:
        """Every key, with the server's own time to live.

        Subscriptions are not stored: an ``AsyncResult`` of an earlier test may hold one while it lives.
        """
        keys = self._keys()
        with self.client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.type(key).pttl(key)
            answers = pipeline.execute()
        return [
            result_at(key.decode("utf-8", "surrogateescape"), raw, self._context.decode, _seconds(left))
            for key, kind, left in zip(keys, answers[::2], answers[1::2], strict=True)
            if (raw := self._raw(key, kind)) is not None
        ]

    def traces(self) -> Sequence[Trace]:
        """The channels of the namespace that somebody listens to: a client that waits for a result does."""
        channels = sorted(self.client.pubsub_channels(self._pattern))
        names = [channel.decode("utf-8", "surrogateescape") for channel in channels]
        return [Trace(kind="subscription", name=name, task_id=subject_of(name).id) for name in names]

    def held(self, task_id: str) -> Held | None:
        """The encoded result of a task as it is stored, None where there is none."""
        values = self.client.mget(task_keys(self._context.namespace.name, task_id))
        found = (value for value in values if value is not None)
        return held_in(next(found, None), self._context.decode)

    def aged_copy(self, task_id: str, seconds: float, kind: Copied = "task") -> str:
        """Store a copy that has *seconds* less to live; the server removes it at once if none are left.

        Raises:
            LookupError: nothing is stored for the task.
        """
        names = task_keys(self._context.namespace.name, task_id, kind)
        key = next((name for name in names if self.client.exists(name)), None)
        value = self.client.get(key) if key else None
        if key is None or value is None:
            raise missing(task_id)
        left, copy = self.client.pttl(key), str(uuid4())
        target = key.removesuffix(task_id) + copy
        with self.client.pipeline(transaction=True) as pipeline:
            pipeline.set(target, value)
            if left >= 0:
                pipeline.pexpire(target, int(left - seconds * 1000))
            pipeline.execute()
        return copy

    def advance(self, seconds: float) -> None:
        """Give every key *seconds* less to live; the server drops those that have none left."""
        keys = list(self.client.scan_iter(match=self._pattern, count=_SCAN_COUNT))
        with self.client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.pttl(key)
            left = pipeline.execute()
            for key, milliseconds in zip(keys, left, strict=True):
                if milliseconds >= 0:
                    pipeline.pexpire(key, max(int(milliseconds - seconds * 1000), 0))
            pipeline.execute()

    def remove(self, task_id: str, kind: Copied = "task") -> None:
        """Remove a task's result; nothing happens where there is none."""
        self.client.unlink(*task_keys(self._context.namespace.name, task_id, kind))

    def _keys(self) -> list[bytes]:
        return sorted(set(self.client.scan_iter(match=self._pattern, count=_SCAN_COUNT)))

    def _raw(self, key: bytes, kind: bytes) -> bytes | None:
        """What a key holds; None where it went away since it was listed."""
        client = self.client
        members: dict[bytes, Callable[[], Any]] = {
            b"list": lambda: client.lrange(key, 0, -1),
            b"zset": lambda: client.zrange(key, 0, -1),
            b"set": lambda: sorted(client.smembers(key)),
        }
        if kind in members:
            return b"\n".join(members[kind]())
        value: bytes | None = client.get(key) if kind == b"string" else client.dump(key)
        return value


def _seconds(milliseconds: int) -> float | None:
    """What PTTL says, in seconds; -1 stands for a key that nothing removes."""
    return None if milliseconds < 0 else milliseconds / 1000
