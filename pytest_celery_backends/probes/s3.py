"""Reads a base path in a bucket of S3, or a bucket of its own, for each namespace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from ..sources import Identity
from ..spec import ProbeContext
from . import aws
from .documents import Document, DocumentProbe

#: How many objects one request may delete.
_MOST: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Home:
    """Where a namespace's objects are; ``is_own`` says that nobody else uses the bucket."""

    bucket: str
    path: str
    is_own: bool


def home(url: str, name: str) -> Home:
    """The place of a namespace: in the bucket that the URL names, else a bucket, whose name takes no underscores.

    >>> home("s3://KEY:SECRET@eu-west-1/results", "pcb_1")
    Home(bucket='results', path='pcb_1/', is_own=False)
    >>> home("s3://KEY:SECRET@127.0.0.1:5000", "pcb_1")
    Home(bucket='pcb-1', path='', is_own=True)
    """
    if bucket := aws.account(url).place:
        return Home(bucket=bucket, path=f"{name}/", is_own=False)
    return Home(bucket=name.replace("_", "-"), path="", is_own=True)


def identify(url: str, limit: float) -> Identity:
    """Who answers at *url*, once it lets the user see the bucket, or all buckets where the URL names none."""
    bucket = aws.account(url).place
    question = ("list_objects_v2", {"Bucket": bucket, "MaxKeys": 1}) if bucket else ("list_buckets", {})
    return aws.identify("s3", "S3", url, limit, question)


def client_command(url: str) -> str:
    """What lists what is in the bucket that a URL names, or the buckets.

    >>> client_command("s3://eu-west-1/results")
    'aws s3 ls s3://results --recursive --region eu-west-1'
    """
    bucket = aws.account(url).place
    return aws.client_command(url, f"s3 ls s3://{bucket} --recursive" if bucket else "s3 ls")


def probe(context: ProbeContext) -> DocumentProbe:
    """The reader of one namespace."""
    return DocumentProbe(context, Objects(context.service.url, context.namespace.name))


def sweep(url: str, prefix: str) -> None:
    """Remove all objects, or all buckets, of namespaces whose names begin with a prefix."""
    client, start = aws.connected("s3", url), home(url, prefix)
    if start.is_own:
        names = [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
        for name in (name for name in names if name.startswith(start.bucket)):
            _delete(client, name, _keys(client, name, ""))
            client.delete_bucket(Bucket=name)
    else:
        _delete(client, start.bucket, _keys(client, start.bucket, prefix))
    client.close()


class Objects:
    """The objects of one namespace."""

    def __init__(self, url: str, name: str) -> None:
        self._url, self._home = url, home(url, name)
        self._client: Any = None

    @property
    def client(self) -> Any:
        """A boto3 client of S3."""
        if self._client is None:
            self._client = aws.connected("s3", self._url)
        return self._client

    def create(self) -> None:
        """Make the namespace's bucket; a base path needs no making."""
        if not self._home.is_own:
            return
        region = self.client.meta.region_name
        # The first region is where buckets are if nothing is said, and may not be said.
        located = (
            {} if region == aws.REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        )
        with suppress(self.client.exceptions.BucketAlreadyOwnedByYou):
            self.client.create_bucket(Bucket=self._home.bucket, **located)

    def drop(self) -> None:
        """Delete the objects, and the bucket where it is the namespace's own, and disconnect."""
        try:
            with suppress(self.client.exceptions.NoSuchBucket):
                _delete(self.client, self._home.bucket, self._listed())
                if self._home.is_own:
                    self.client.delete_bucket(Bucket=self._home.bucket)
        finally:
            self.client.close()
            self._client = None

    def documents(self) -> Mapping[str, Document]:
        """Every object that is there still when it is its turn; nothing where there is no bucket."""
        found, exceptions = {}, self.client.exceptions
        with suppress(exceptions.NoSuchBucket):
            for key in self._listed():
                with suppress(exceptions.NoSuchKey):
                    found[key.removeprefix(self._home.path)] = Document(raw=self._body(key))
        return found

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; S3 does not mind those that are not there."""
        _delete(self.client, self._home.bucket, [f"{self._home.path}{key}" for key in keys])

    def _listed(self) -> list[str]:
        return _keys(self.client, self._home.bucket, self._home.path)

    def _body(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=self._home.bucket, Key=key)["Body"].read()
        return body


def _keys(client: Any, bucket: str, prefix: str) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", ())]


def _delete(client: Any, bucket: str, keys: list[str]) -> None:
    for first in range(0, len(keys), _MOST):
        named = [{"Key": key} for key in keys[first : first + _MOST]]
        client.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True})
