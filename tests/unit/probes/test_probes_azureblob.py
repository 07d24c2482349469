"""Azure Blob Storage: what Azurite is called, and what others keep in the same account."""

from __future__ import annotations

import importlib.util
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_celery_backends.capabilities import Capability
from pytest_celery_backends.masking import masked
from pytest_celery_backends.probes.azureblob import connected, identify, sweep
from pytest_celery_backends.providers.external import ExternalProvider
from pytest_celery_backends.spec import NotReady, Refused


@pytest.fixture
def store(open_store: Any) -> Any:
    return open_store("azureblob")


@pytest.fixture
def foreign(store: Any) -> Iterator[Any]:
    """A container of somebody else in the same account."""
    with connected(store.service.url, 5) as client:
        container = client.create_container("somebody-else")
        container.upload_blob("orders", b"stays")
        yield container
        container.delete_container()


def _with_key(url: str, key: str) -> str:
    return re.sub("AccountKey=[^;]*", f"AccountKey={key}", url)


def test_an_emulator_is_not_called_azure(get_service: Any) -> None:
    identity = identify(get_service("azureblob").url, 5)
    assert identity.product == "Azurite"
    assert identity.version[0].isdecimal()


def test_a_wrong_key_is_refused_and_not_repeated(store: Any) -> None:
    url = _with_key(store.service.url, "b3RoZXI=")
    with pytest.raises(Refused, match="authenticate"):
        identify(url, 5)
    found = ExternalProvider({"azureblob": url}).check(store.spec, "")
    assert not found.works
    assert "b3RoZXI=" not in f"{found.reason} {found.remedy}"
    assert "AccountKey=KEY" in found.remedy


def test_an_account_that_is_not_there_is_refused(store: Any) -> None:
    with pytest.raises(Refused):
        identify(store.service.url.replace("celery", "other"), 5)


def test_a_text_that_is_no_connection_string_is_refused() -> None:
    with pytest.raises(Refused, match="Connection string"):
        identify("azureblockblob://nonsense", 1)


def test_a_port_on_which_nobody_listens_is_not_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}/celery"
        with pytest.raises(NotReady, match="refused"):
            identify(f"azureblockblob://AccountName=celery;AccountKey=a2V5;BlobEndpoint={endpoint}", 1)


@pytest.mark.skipif(
    importlib.util.find_spec("azure.identity") is None, reason="azure-identity is not installed"
)
@pytest.mark.parametrize("name", ["DefaultAzureCredential", "ManagedIdentityCredential"])
def test_a_credential_of_azure_itself_needs_no_key(name: str) -> None:
    with connected(f"azureblockblob://{name}@https://shop.blob.core.windows.net", 1) as client:
        assert client.account_name == "shop"
        assert type(client.credential).__name__ == name


def test_dropping_leaves_the_containers_of_others(store: Any, foreign: Any) -> None:
    store.keep()
    store.probe.drop()
    assert foreign.download_blob("orders").readall() == b"stays"


def test_sweeping_takes_the_prefix_and_nothing_else(store: Any, foreign: Any) -> None:
    store.keep()
    sweep(store.service.url, store.namespace.name)
    assert store.probe.stored() == []
    assert foreign.download_blob("orders").readall() == b"stays"


def test_many_blobs_are_all_listed(store: Any) -> None:
    kept = sorted(store.keep() for _ in range(100))
    assert store.ids() == kept


def test_the_users_own_base_path_does_not_lead_out_of_the_container(open_store: Any) -> None:
    store = open_store("azureblob")
    assert store.app.conf.azureblockblob_base_path == ""


def test_what_is_no_text_cannot_be_read_by_celery(open_store: Any) -> None:
    store = open_store("azureblob", result_serializer="pickle", accept_content=["pickle"])
    task_id = store.keep({3})
    assert [found.state for found in store.probe.stored()] == ["SUCCESS"]
    assert not store.spec.verdict(Capability.SERIALIZERS)
    with pytest.raises(UnicodeDecodeError):
        store.backend.get_task_meta(task_id)


def test_forgetting_what_is_not_stored_does_what_the_spec_says(store: Any) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    if store.spec.verdict(Capability.FORGET_ABSENT):
        store.app.AsyncResult("unknown").forget()
    else:
        with pytest.raises(ResourceNotFoundError):
            store.app.AsyncResult("unknown").forget()


def test_the_key_of_an_account_is_not_shown(store: Any) -> None:
    key = re.search("AccountKey=([^;]*)", store.service.url)
    assert key is not None
    assert key[1] not in masked(store.service.url)
    shared = "azureblockblob://BlobEndpoint=https://h/;SharedAccessSignature=sv=1&sig=s%2F3cret"
    assert masked(shared) == "azureblockblob://BlobEndpoint=https://h/;SharedAccessSignature=***"
