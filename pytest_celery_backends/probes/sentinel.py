"""Redis behind sentinels: which server is the master, and how another one becomes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from ..errors import WaitTimeout
from ..sources import Identity
from ..spec import NotReady, Refused
from . import redis as server
from . import redis_urls

SEPARATOR: Final = ";"
#: What most installations call it; ``?master_name=`` in the URL says otherwise.
MASTER: Final = "mymaster"
_PAUSE: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What a URL says: the sentinels, the master's name, and how to log in on both."""

    hosts: tuple[tuple[str, int], ...]
    master: str
    database: int = 0
    replicas: int = 0
    login: dict[str, Any] = field(default_factory=dict, repr=False)
    sentinel_login: dict[str, Any] = field(default_factory=dict, repr=False)


def watched(url: str) -> Watched:
    """What a URL says; its query may have ``master_name``, ``sentinel_username`` and ``sentinel_password``.

    User, password and database are those of the servers, and are taken from the first part, as Celery does.
    With ``replicas`` the service counts as ready when the sentinels know that many.

    >>> found = watched("sentinel://:pw@a:1/2;sentinel://:pw@b:2/2?master_name=main&sentinel_password=s")
    >>> found.hosts, found.master, found.database, found.login, found.sentinel_login
    ((('a', 1), ('b', 2)), 'main', 2, {'password': 'pw'}, {'password': 's'})
    """
    parts = [urlsplit(chunk) for chunk in url.split(SEPARATOR)]
    query = {name: value for part in parts for name, value in parse_qsl(part.query)}
    first = parts[0]
    login = {"username": unquote(first.username or ""), "password": unquote(first.password or "")}
    sentinel_login = {name: query.get(f"sentinel_{name}", "") for name in login}
    return Watched(
        hosts=tuple((part.hostname or "localhost", part.port or 26379) for part in parts),
        master=query.get("master_name", MASTER),
        database=int(first.path.strip("/") or 0),
        replicas=int(query.get("replicas", 0)),
        login={name: value for name, value in login.items() if value},
        sentinel_login={name: value for name, value in sentinel_login.items() if value},
    )


def celery_url(url: str) -> str:
    """The URL without what Celery takes from ``result_backend_transport_options``.

    >>> celery_url("sentinel://:pw@a:1/0;sentinel://:pw@b:2/0?master_name=main")
    'sentinel://:pw@a:1/0;sentinel://:pw@b:2/0'
    """
    chunks = (urlsplit(chunk)._replace(query="") for chunk in url.split(SEPARATOR))
    return SEPARATOR.join(urlunsplit(chunk) for chunk in chunks)


def connected(url: str, *, limit: float, retries: int) -> Any:
    """A client of whichever server is the master; *limit* is in seconds for each question."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry
    from redis.sentinel import Sentinel

    found, limits = watched(url), {"socket_timeout": limit, "socket_connect_timeout": limit}
    make: Any = Sentinel  # redis-py has no types for it
    sentinel = make(list(found.hosts), sentinel_kwargs={**limits, **found.sentinel_login})
    retry = Retry(NoBackoff(), retries)
    return sentinel.master_for(found.master, db=found.database, retry=retry, **limits, **found.login)


def sentinels(url: str, limit: float) -> list[Any]:
    """A client of each sentinel in the URL."""
    from redis import Redis

    found = watched(url)
    every: dict[str, Any] = {"socket_timeout": limit, "socket_connect_timeout": limit, **found.sentinel_login}
    return [Redis(host=host, port=port, **every) for host, port in found.hosts]


def identify(url: str, limit: float) -> Identity:
    """What the master says it is, once every sentinel in the URL knows it, its replicas and the others."""
    from redis import exceptions

    found = watched(url)
    try:
        for sentinel in sentinels(url, limit):
            with sentinel:
                _check(sentinel, found)
    except exceptions.AuthenticationError as error:
        refusal: Exception = Refused(f"a sentinel does not accept user and password: {error}")
    except exceptions.ResponseError as error:
        refusal = Refused(str(error), f"{client_command(url)} SENTINEL MASTERS")
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        refusal = NotReady(str(error) or type(error).__name__)
    else:
        return server.identify(url, limit, name="redis-sentinel", connect=connected)
    raise refusal


def _check(sentinel: Any, found: Watched) -> None:
    """Raise NotReady where one sentinel does not see everything as it should be."""
    flags = ask(sentinel, "MASTER", found.master)["flags"]
    if flags != "master":
        raise NotReady(f"a sentinel says of the master: {flags}")
    replicas = [each for each in ask(sentinel, "SLAVES", found.master) if _is_in_step(each)]
    if len(replicas) < found.replicas:
        raise NotReady(f"a sentinel knows {len(replicas)} of {found.replicas} replicas")
    others = [each for each in ask(sentinel, "SENTINELS", found.master) if each["flags"] == "sentinel"]
    if len(others) < len(found.hosts) - 1:
        raise NotReady(f"a sentinel knows {len(others)} of {len(found.hosts) - 1} others")


def ask(sentinel: Any, what: str, master: str) -> Any:
    """What a sentinel says about a master; redis-py's own methods fail in 6.3 and 6.4 (redis/redis-py#3750)."""
    return sentinel.execute_command(f"SENTINEL {what}", master)


def _is_in_step(replica: dict[str, Any]) -> bool:
    return (replica["flags"], replica["master-link-status"]) == ("slave", "ok")


def client_command(url: str) -> str:
    """What a user types to ask the first sentinel.

    >>> client_command("sentinel://:pw@a:1/0;sentinel://:pw@b:2/0?sentinel_password=secret")
    "redis-cli -u 'redis://default:secret@a:1'"
    """
    found = watched(url)
    (host, port), login = found.hosts[0], found.sentinel_login
    user = f"{login.get('username', '')}:{quote(login['password'], safe='')}@" if login else ""
    return redis_urls.client_command(f"redis://{user}{host}:{port}")


def sweep(url: str, prefix: str) -> None:
    """Remove every key that begins with a prefix, on the master."""
    server.sweep(url, prefix, connect=connected)


def fail_over(url: str, limit: float) -> None:
    """Let a replica become the master; returns when all sentinels send clients there and see a replica again.

    What the master had stored before is waited for on the replica. The sentinels demote the old master, which
    still runs, 8 s after such a failover (https://redis.io/docs/latest/operate/oss_and_stack/management/
    sentinel/), and clients write to it until then; here that is done at once.

    Raises WaitTimeout after *limit* seconds.
    """
    until = time.monotonic() + limit
    found, asked = watched(url), sentinels(url, limit)
    old = _address(asked[0], found)
    with _direct(old, found, limit) as master:
        _wait_for_replicas(master, until)
        _hurry(asked)
        _wait(lambda: _is_elsewhere(asked, found, old), until, "all sentinels to name another master")
        new = _address(asked[0], found)
        master.execute_command("REPLICAOF", *new)
        master.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        master.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    _wait(lambda: _is_ready(url, limit), until, "the old master to follow the new one")
    for sentinel in asked:
        sentinel.close()


def _address(sentinel: Any, found: Watched) -> tuple[str, int]:
    host, port = ask(sentinel, "GET-MASTER-ADDR-BY-NAME", found.master)
    return str(host.decode() if isinstance(host, bytes) else host), int(port)


def _direct(address: tuple[str, int], found: Watched, limit: float) -> Any:
    """A client of one server with a single connection: WAIT looks at what that wrote."""
    from redis import Redis

    return Redis(
        host=address[0], port=address[1], socket_timeout=limit, single_connection_client=True, **found.login
    )


def _wait_for_replicas(master: Any, until: float) -> None:
    """All that was written before this reaches a replica before this does."""
    mark = f"pytest-celery-backends-{time.monotonic_ns()}"
    master.set(mark, b"", px=1000)
    master.unlink(mark)
    milliseconds = max(1, int((until - time.monotonic()) * 1000))
    if not master.wait(1, milliseconds):
        raise _late("a replica to have everything")


def _hurry(asked: list[Any]) -> None:
    """Let the sentinels look at the servers five times a second, not every ten seconds."""
    from redis import exceptions

    for sentinel in asked:
        try:
            sentinel.execute_command("SENTINEL", "DEBUG", "INFO-PERIOD", "200")
        except exceptions.ResponseError:  # before Redis 7: it only takes longer
            return


def _is_elsewhere(asked: list[Any], found: Watched, old: tuple[str, int]) -> bool:
    """Whether all name another master; until the first does it is asked for it, for it may give up."""
    if _address(asked[0], found) == old:
        _ask_for_failover(asked[0], found)
        return False
    return old not in {_address(sentinel, found) for sentinel in asked}


def _ask_for_failover(sentinel: Any, found: Watched) -> None:
    from redis import exceptions

    try:
        sentinel.execute_command("SENTINEL", "FAILOVER", found.master)
    except exceptions.ResponseError as error:
        # it has not looked at the replica for a while, or is at it already
        if not str(error).startswith(("NOGOODSLAVE", "INPROG")):
            raise


def _is_ready(url: str, limit: float) -> bool:
    try:
        identify(url, limit)
    except NotReady:
        return False
    return True


def _wait(is_done: Callable[[], bool], until: float, what: str) -> None:
    while not is_done():
        if time.monotonic() >= until:
            raise _late(what)
        time.sleep(_PAUSE)


def _late(what: str) -> WaitTimeout:
    remedy = "fail_over(result_backend, timeout=60)"
    return WaitTimeout(f"a failover waited in vain for {what}", remedy=remedy)
