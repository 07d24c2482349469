"""Reads a MongoDB database of its own for each namespace, with a client that is not Celery's."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from ..sources import Identity
from ..spec import Copied, Held, NotReady, ProbeContext, Refused, ResultKind, StoredResult
from .keys import missing

#: Seconds after which a silent server is given up.
LIMIT: Final = 10.0
#: Unauthorized, AuthenticationFailed and what Atlas says instead.
_NO_ACCESS: Final = (13, 18, 8000)
#: What others that speak the protocol add to buildInfo, where ``version`` is the MongoDB that they stand for.
_OTHERS: Final = {"secantusVersion": "SecantusDB", "ferretdbVersion": "FerretDB", "ferretdb": "FerretDB"}


def connected(url: str, limit: float) -> Any:
    """A pymongo client of the server; *limit* is in seconds for every answer.

    The database in the URL is left out, as Celery does: it would be taken for the one that knows the user.
    """
    from pymongo import MongoClient

    milliseconds = int(limit * 1000)
    return MongoClient(
        urlunsplit(urlsplit(url)._replace(path="/")),
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
        socketTimeoutMS=milliseconds,
        tz_aware=True,
    )


def identify(url: str, limit: float) -> Identity:
    """What the server at *url* says it is, once it lets the user see databases."""
    from pymongo import errors

    try:
        with connected(url, limit) as client:
            about = client.admin.command("buildInfo")
            client.list_database_names()  # a server tells everybody what it is
            return identity_in(about)
    except errors.OperationFailure as error:
        reason = str((error.details or {}).get("errmsg", error))
        problem: Exception = NotReady(reason)
        if error.code in _NO_ACCESS:
            problem = Refused(f"the server does not accept user and password: {reason}")
    except (errors.ConfigurationError, errors.InvalidURI, ValueError) as error:
        problem = Refused(str(error))
    except errors.PyMongoError as error:
        problem = NotReady(str(error))
    raise problem


def identity_in(about: Mapping[str, Any]) -> Identity:
    """The identity in what buildInfo says.

    >>> str(identity_in({"version": "8.0.4"}))
    'MongoDB 8.0.4'
    >>> str(identity_in({"version": "7.0.77", "ferretdb": {"version": "v2.5.0"}}))
    'FerretDB 2.5.0'
    """
    for key, product in _OTHERS.items():
        if key in about:
            own = about[key]
            version = own.get("version", "") if isinstance(own, Mapping) else own
            return Identity(product=product, version=str(version).removeprefix("v"))
    return Identity(product="MongoDB", version=str(about["version"]))


def client_command(url: str) -> str:
    """What opens a shell on the server at *url*.

    >>> client_command("mongodb://u:p@127.0.0.1:27017/?authSource=admin")
    "mongosh 'mongodb://u:p@127.0.0.1:27017/?authSource=admin'"
    """
    return shlex.join(["mongosh", url])


def sweep(url: str, prefix: str) -> None:
    """Drop every database whose name begins with a prefix."""
    with connected(url, LIMIT) as client:
        for name in client.list_database_names():
            if name.startswith(prefix):
                client.drop_database(name)


class MongoProbe:
    """The documents of one database, whatever its collections are called: a task's has a status, a group's none.

    What is ``raw`` is the field ``result``: the state is a field of its own.
    """

    def __init__(self, context: ProbeContext) -> None:
        self._url, self._name = context.service.url, context.namespace.name
        self._lifetime = context.lifetime
        self._client: Any = None

    @property
    def client(self) -> Any:
        """A ``pymongo.MongoClient``; ``client[name]`` is the namespace's database."""
        if self._client is None:
            self._client = connected(self._url, LIMIT)
        return self._client

    def create(self) -> None:
        """Nothing: the first document makes the database."""

    def empty(self) -> None:
        """Delete all documents; collections and indexes stay, for Celery's backend remembers having made them."""
        for collection in self._collections():
            collection.delete_many({})

    def drop(self) -> None:
        """Drop the database and disconnect, also where the server is gone."""
        try:
            self.client.drop_database(self._name)
        finally:
            self.client.close()
            self._client = None

    def stored(self) -> Sequence[StoredResult]:
        """Every document, by collection and id."""
        found = (
            self._result(each.name, document) for each in self._collections() for document in each.find()
        )
        return sorted(found, key=lambda each: each.key)

    def held(self, task_id: str) -> Held | None:
        """A task's document, None where it has none."""
        found = (Held(state=str(each["status"]), raw=_raw(each)) for _, each in self._found(task_id))
        return next(found, None)

    def aged_copy(self, task_id: str, seconds: float, kind: Copied = "task") -> str:
        """Store a copy of a document that was done *seconds* earlier: ``celery.backend_cleanup`` goes by that.

        Raises:
            LookupError: nothing is stored for the task.
        """
        for collection, document in self._found(task_id, kind):
            copy = str(uuid4())
            done = document["date_done"]  # none of what is not done
            older = None if done is None else done - timedelta(seconds=seconds)
            collection.insert_one({**document, "_id": copy, "date_done": older})
            return copy
        raise missing(task_id)

    def advance(self, seconds: float) -> None:
        """Let every document be done *seconds* earlier."""
        for collection in self._collections():
            for document in collection.find({"date_done": {"$type": "date"}}):
                older = document["date_done"] - timedelta(seconds=seconds)
                collection.update_one({"_id": document["_id"]}, {"$set": {"date_done": older}})

    def remove(self, task_id: str, kind: Copied = "task") -> None:
        """Delete a task's document; nothing happens where there is none."""
        for collection, document in self._found(task_id, kind):
            collection.delete_one({"_id": document["_id"]})

    def _collections(self) -> list[Any]:
        database = self.client[self._name]
        return [database[name] for name in sorted(database.list_collection_names())]

    def _found(self, task_id: str, kind: Copied = "task") -> Iterator[tuple[Any, dict[str, Any]]]:
        """The documents of a task, or of a group, each with its collection."""
        for collection in self._collections():
            for document in collection.find({"_id": task_id, "status": {"$exists": kind == "task"}}):
                yield collection, document

    def _result(self, collection: str, document: Mapping[str, Any]) -> StoredResult:
        from bson import encode

        kind: ResultKind = "task" if "status" in document else "group"
        return StoredResult(
            task_id=str(document["_id"]),
            kind=kind,
            state=str(document.get("status", "")),
            raw=_raw(document),
            size=len(encode(document)),
            expires_in=self._left(document.get("date_done")),
            key=f"{collection}/{document['_id']}",
        )

    def _left(self, done: datetime | None) -> float | None:
        """Seconds until ``celery.backend_cleanup`` would delete it: MongoDB keeps times in UTC, as points in time."""
        if done is None or self._lifetime is None:
            return None
        return self._lifetime - (datetime.now(timezone.utc) - done).total_seconds()


def _raw(document: Mapping[str, Any]) -> bytes:
    """What Celery's serializer made of a result: text, or bytes."""
    value = document.get("result")
    return value.encode() if isinstance(value, str) else bytes(value or b"")
