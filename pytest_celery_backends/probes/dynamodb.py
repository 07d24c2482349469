"""A DynamoDB table for each namespace."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

from ..spec import ProbeContext
from . import aws
from .documents import Document, DocumentProbe

#: The key of Celery's table.
_ID: Final = "id"

identify = partial(aws.identify, "dynamodb", "DynamoDB", question=("list_tables", {"Limit": 1}))


def client_command(url: str) -> str:
    """What lists the tables of the server at *url*.

    >>> client_command("dynamodb://eu-west-1")
    'aws dynamodb list-tables --region eu-west-1'
    """
    return aws.client_command(url, "dynamodb list-tables")


def probe(context: ProbeContext) -> DocumentProbe:
    """The reader of one table."""
    return DocumentProbe(context, Table(context.service.url, context.namespace.name))


def sweep(url: str, prefix: str) -> None:
    """Delete every table whose name begins with a prefix."""
    client = aws.connected("dynamodb", url)
    for page in client.get_paginator("list_tables").paginate():
        for name in page["TableNames"]:
            if name.startswith(prefix):
                client.delete_table(TableName=name)
    client.close()


class Table:
    """The items of one table."""

    def __init__(self, url: str, name: str) -> None:
        self._url, self._name = url, name
        self._client: Any = None

    @property
    def client(self) -> Any:
        """A boto3 client of DynamoDB."""
        if self._client is None:
            self._client = aws.connected("dynamodb", self._url)
        return self._client

    def create(self) -> None:
        """Make the table as Celery would, but paid by use; Celery would also sleep for a second then."""
        with suppress(self.client.exceptions.ResourceInUseException):
            self.client.create_table(
                TableName=self._name,
                AttributeDefinitions=[{"AttributeName": _ID, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": _ID, "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )
        self.client.get_waiter("table_exists").wait(
            TableName=self._name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )

    def drop(self) -> None:
        """Delete the table and disconnect."""
        try:
            self.client.delete_table(TableName=self._name)
        except self.client.exceptions.ResourceNotFoundException:
            pass
        finally:
            self.client.close()
            self._client = None

    def documents(self) -> Mapping[str, Document]:
        """Every item: a result, or the count of a chord's finished tasks."""
        return {key: _document(item) for key, item in self._items().items()}

    def delete(self, keys: Iterable[str]) -> None:
        """Delete items one by one."""
        items = self._items()
        for key in keys:
            if key in items:
                self.client.delete_item(TableName=self._name, Key={_ID: items[key][_ID]})

    def _items(self) -> dict[str, Any]:
        pages = self.client.get_paginator("scan").paginate(TableName=self._name, ConsistentRead=True)
        try:
            return {_key(item[_ID]["S"]): item for page in pages for item in page["Items"]}
        except self.client.exceptions.ResourceNotFoundException:
            return {}


def _key(stored: str) -> str:
    """Celery's key; it stores what ``str()`` makes of its bytes.

    >>> _key("b'celery-task-meta-4f1c'")
    'celery-task-meta-4f1c'
    """
    return ast.literal_eval(stored).decode() if stored.startswith(("b'", 'b"')) else stored


def _document(item: Mapping[str, Any]) -> Document:
    """``result`` is in bytes; ``ttl`` is there where the URL has ``ttl_seconds``."""
    raw = item["result"]["B"] if "result" in item else item.get("chord_count", {}).get("N", "").encode()
    expires = float(item["ttl"]["N"]) - time.time() if "ttl" in item else None
    return Document(raw=raw, expires_in=expires)
