"""Reads a key prefix of Consul's key-value store, and the sessions that Celery locks its keys with."""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit
from uuid import uuid4

from ..sources import Identity
from ..spec import Copied, Held, NotReady, ProbeContext, Refused, StoredResult
from .http_json import LIMIT, JsonServer
from .keys import held_in, missing, result_at, task_keys

PORT: Final = 8500
#: Consul takes no session that lives shorter, in seconds.
SHORTEST: Final = 10.0
#: With these python-consul2, which Celery uses, talks to another server than the URL names, or in another way.
_LEADING_AWAY: Final = ("CONSUL_HTTP_ADDR", "CONSUL_HTTP_SSL")


def connected(url: str, limit: float = LIMIT) -> JsonServer:
    """The server, asked with the token that Celery's client takes from the environment too."""
    token = os.environ.get("CONSUL_HTTP_TOKEN")
    return JsonServer(url, port=PORT, limit=limit, headers={"X-Consul-Token": token} if token else {})


def identify(url: str, limit: float) -> Identity:
    """What the agent at *url* says it is, once sessions can be made: its node has to be in the catalog."""
    for name in _LEADING_AWAY:
        if os.environ.get(name):
            raise Refused(f"{name} is set, which leads Celery's client away from it", f"env -u {name} pytest")
    server = connected(url, limit)
    about = _about(server)
    if "NodeName" not in about:
        raise Refused("this is no Consul agent")
    # Asked of the leader: where there is none yet, this is an error of the server.
    checks = server.ask("GET", f"/v1/health/node/{quote(about['NodeName'])}?consistent") or ()
    if not any(each["CheckID"] == "serfHealth" and each["Status"] == "passing" for each in checks):
        raise NotReady(f"its node {about['NodeName']} is not healthy yet")
    return Identity(product="Consul", version=str(about.get("Version", "")))


def _about(server: JsonServer) -> Mapping[str, Any]:
    try:
        answer = server.ask("GET", "/v1/agent/self")
    except Refused as error:
        reason = str(error).replace("user and password", "the token")
    else:
        return answer.get("Config", {}) if isinstance(answer, dict) else {}
    # Celery's URL has no place for it.
    raise Refused(reason, "CONSUL_HTTP_TOKEN=TOKEN pytest")


def client_command(url: str) -> str:
    """What lists the keys of the server at *url*.

    >>> client_command("consul://127.0.0.1:4711/shop")
    "curl 'http://127.0.0.1:4711/v1/kv/shop/?keys'"
    """
    parts = urlsplit(url)
    return f"curl 'http://{parts.hostname}:{parts.port or PORT}/v1/kv/{folder_of(url)}?keys'"


def folder_of(url: str) -> str:
    """What Celery puts before each key: the URL's path.

    >>> folder_of("consul://localhost:8500/shop"), folder_of("consul://localhost:8500")
    ('shop/', '')
    """
    path = unquote(urlsplit(url).path.removeprefix("/"))
    return f"{path}/" if path else ""


def sweep(url: str, prefix: str) -> None:
    """Remove every key that begins with a prefix, and the sessions of such keys."""
    _remove(connected(url), folder_of(url), prefix)


def _remove(server: JsonServer, folder: str, prefix: str) -> None:
    """Keys first: those of a session that goes could not be locked anew for 15 s, even once they are gone."""
    server.ask("DELETE", f"/v1/kv/{quote(folder + prefix)}?recurse=true")
    for session in server.ask("GET", "/v1/session/list?consistent") or ():
        if session["Name"].startswith(prefix):  # Celery names a session after the key that it is for
            server.ask("PUT", f"/v1/session/destroy/{session['ID']}")


class ConsulProbe:
    """Everything whose key begins with the namespace and a colon, below the URL's path."""

    def __init__(self, context: ProbeContext) -> None:
        self._context = context
        self._folder = folder_of(context.service.url)
        self._prefix = f"{context.namespace.name}:"

    @property
    def client(self) -> JsonServer:
        """What asks Consul's HTTP API."""
        return connected(self._context.service.url)

    def create(self) -> None:
        """Nothing: a prefix needs no making."""

    def empty(self) -> None:
        """Remove the namespace's keys, and their sessions: ``forget()`` leaves those for a day."""
        _remove(self.client, self._folder, self._prefix)

    def drop(self) -> None:
        """Remove the namespace's keys and sessions."""
        self.empty()

    def stored(self) -> Sequence[StoredResult]:
        """Every key, with the time that its session lives from its making: Consul does not tell what is left.

        It goes by that time at the earliest, and by twice of it at the latest
        (https://developer.hashicorp.com/consul/docs/dynamic-app-config/sessions).
        """
        entries = self.client.ask(
            "GET", f"/v1/kv/{quote(self._folder + self._prefix)}?recurse=true&consistent"
        )
        lifetimes = self._lifetimes() if entries else {}
        return [
            result_at(
                entry["Key"], _value(entry), self._context.decode, lifetimes.get(entry.get("Session", ""))
            )
            for entry in sorted(entries or (), key=lambda entry: str(entry["Key"]))
        ]

    def held(self, task_id: str) -> Held | None:
        """The encoded result of a task as it is stored, None where there is none."""
        entry = self._entry(task_id)
        return held_in(None if entry is None else _value(entry), self._context.decode)

    def aged_copy(self, task_id: str, seconds: float, kind: Copied = "task") -> str:
        """Store a copy whose session lives *seconds* less, 10 s at least; it is gone at once if nothing is left.

        Raises:
            LookupError: nothing is stored for the task.
        """
        entry = self._entry(task_id, kind)
        if entry is None:
            raise missing(task_id)
        copy, lifetime = str(uuid4()), self._lifetimes().get(entry.get("Session", ""))
        left = None if lifetime is None else lifetime - seconds
        if left is None or left > 0:
            target = entry["Key"].removesuffix(task_id) + copy
            self._store(target, entry["Value"], left)
        return copy

    def advance(self, seconds: float) -> None:
        """Store every key anew under a session that lives *seconds* less, 10 s at least; what has none left goes."""
        asked = f"/v1/kv/{quote(self._folder + self._prefix)}?recurse=true&consistent"
        entries, lifetimes = self.client.ask("GET", asked) or (), self._lifetimes()
        for entry in entries:
            lifetime = lifetimes.get(entry.get("Session", ""))
            if lifetime is None:
                continue
            self.client.ask("DELETE", f"/v1/kv/{quote(entry['Key'])}")
            if lifetime > seconds:
                self._store(entry["Key"], entry["Value"], lifetime - seconds)

    def remove(self, task_id: str, kind: Copied = "task") -> None:
        """Remove a task's result; nothing happens where there is none."""
        for key in self._keys(task_id, kind):
            self.client.ask("DELETE", f"/v1/kv/{quote(key)}")

    def _store(self, key: str, value: str, lifetime: float | None) -> None:
        """Write as Celery does: locked by a session that takes the key with it when it ends."""
        session = {"Name": key.removeprefix(self._folder), "Behavior": "delete"}
        if lifetime is not None:
            session["TTL"] = f"{max(lifetime, SHORTEST)}s"
        made = self.client.ask("PUT", "/v1/session/create", session)["ID"]
        self.client.ask(
            "PUT", "/v1/txn", [{"KV": {"Verb": "lock", "Key": key, "Value": value, "Session": made}}]
        )

    def _entry(self, task_id: str, kind: Copied = "task") -> Mapping[str, Any] | None:
        found = (
            self.client.ask("GET", f"/v1/kv/{quote(key)}?consistent") for key in self._keys(task_id, kind)
        )
        return next((entries[0] for entries in found if entries), None)

    def _keys(self, task_id: str, kind: Copied = "task") -> list[str]:
        return [self._folder + key for key in task_keys(self._context.namespace.name, task_id, kind)]

    def _lifetimes(self) -> dict[str, float | None]:
        """Seconds that each session of the server lives, by its id; None where it has no end."""
        sessions = self.client.ask("GET", "/v1/session/list?consistent") or ()
        return {each["ID"]: _seconds(each.get("TTL", "")) for each in sessions}


def _value(entry: Mapping[str, Any]) -> bytes:
    return b64decode(entry["Value"] or "")


def _seconds(duration: str) -> float | None:
    """
    >>> _seconds("86400.0s"), _seconds("")
    (86400.0, None)
    """
    return float(duration.removesuffix("s")) if duration else None
