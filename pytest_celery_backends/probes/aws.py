"""What the probes of AWS's services share: a URL's meaning, a client that is not Celery's, and who answers."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from urllib.request import ProxyHandler, build_opener

from ..sources import Identity
from ..spec import NotReady, Refused

#: Seconds after which a silent server is given up.
LIMIT: Final = 10.0
#: What Celery takes where the server is no region of AWS.
REGION: Final = "us-east-1"
#: Servers that say in a header what they are, by how that begins.
_SERVERS: Final = {"jetty": "DynamoDB Local", "minio": "MinIO"}


@dataclass(frozen=True, kw_only=True)
class Account:
    """Where a URL leads: a region of AWS, or another server, whose ``endpoint`` is not empty then.

    ``login`` is what boto3 takes; empty where it shall look for credentials itself. ``place`` is the path.
    """

    region: str
    endpoint: str
    place: str
    login: Mapping[str, str] = field(repr=False)


def account(url: str) -> Account:
    """What a URL says: with a port, or a scheme that ends in ``https``, it is about a server that is not AWS.

    >>> found = account("dynamodb://KEY:SE%2FCRET@eu-west-1/orders")
    >>> found, found.login["aws_secret_access_key"]
    (Account(region='eu-west-1', endpoint='', place='orders'), 'SE/CRET')
    >>> account("s3://KEY:SECRET@127.0.0.1:5000").endpoint, account("s3+https://minio.example/b").endpoint
    ('http://127.0.0.1:5000', 'https://minio.example')
    """
    parts = urlsplit(url)
    scheme = "https" if parts.scheme.endswith("https") else "http" if parts.port else ""
    login = {}
    if parts.username:
        login = {
            "aws_access_key_id": unquote(parts.username),
            "aws_secret_access_key": unquote(parts.password or ""),
        }
    return Account(
        region=REGION if scheme else parts.hostname or REGION,
        endpoint=f"{scheme}://{parts.netloc.rpartition('@')[2]}" if scheme else "",
        place=parts.path.strip("/"),
        login=login,
    )


def connected(service: str, url: str, limit: float = LIMIT) -> Any:
    """A boto3 client of a service; *limit* is in seconds for connecting and for every answer."""
    from boto3.session import Session
    from botocore.config import Config

    found = account(url)
    config = Config(connect_timeout=limit, read_timeout=limit, retries={"total_max_attempts": 1})
    return Session(**found.login).client(
        service, region_name=found.region, endpoint_url=found.endpoint or None, config=config
    )


def identify(
    service: str, title: str, url: str, limit: float, question: tuple[str, Mapping[str, Any]]
) -> Identity:
    """What answers at *url*; AWS itself has no version but that of its API.

    Arguments:
        question: the client's method and its arguments that show whether the user is let in.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    method, arguments = question
    try:
        client = connected(service, url, limit)
        try:
            answer = getattr(client, method)(**arguments)
        finally:
            client.close()
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        problem: Exception = NotReady(str(error)) if status >= 500 else Refused(str(error))
    except (NoCredentialsError, ValueError) as error:
        problem = Refused(str(error))
    except BotoCoreError as error:
        problem = NotReady(str(error))
    else:
        endpoint, headers = account(url).endpoint, answer["ResponseMetadata"]["HTTPHeaders"]
        if not endpoint:
            return Identity(product=title, version=client.meta.service_model.api_version)
        return _stranger(endpoint, headers.get("server", ""), limit, title)
    raise problem


def _stranger(endpoint: str, header: str, limit: float, title: str) -> Identity:
    """A server that is not AWS. Moto does not tell its version."""
    health = _told(f"{endpoint}/_localstack/health", limit)
    if health.startswith("{"):
        return Identity(product="LocalStack", version=str(json.loads(health).get("version", "")))
    if "<title>Moto</title>" in _told(f"{endpoint}/moto-api/", limit):
        return Identity(product="Moto", version="")
    named = (product for start, product in _SERVERS.items() if header.lower().startswith(start))
    return Identity(product=next(named, f"{title}-compatible server"), version="")


def _told(url: str, limit: float) -> str:
    """What a server says at an address that is not the service's; nothing where it has none."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=limit) as answer:
            text: str = answer.read().decode(errors="replace")
    except (OSError, HTTPException):
        return ""
    return text.strip()


def client_command(url: str, words: str) -> str:
    """What a user types to ask the server at *url*.

    >>> client_command("dynamodb://KEY:SECRET@127.0.0.1:5000", "dynamodb list-tables")[:62]
    'AWS_ACCESS_KEY_ID=KEY AWS_SECRET_ACCESS_KEY=SECRET aws dynamod'
    """
    found = account(url)
    login = [f"{name.upper()}={shlex.quote(value)}" for name, value in found.login.items()]
    endpoint = ["--endpoint-url", found.endpoint] if found.endpoint else []
    return " ".join([*login, "aws", words, "--region", found.region, *endpoint])
