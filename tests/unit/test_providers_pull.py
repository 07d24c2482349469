"""Pulling an image from a registry of our own, which may be out of order for a while."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pytest_celery_backends.errors import StartFailed, Unavailable
from pytest_celery_backends.providers.engine import connected
from pytest_celery_backends.providers.pull import another_tag, have, images_here, is_passing

pytest.importorskip("testcontainers")


def _layer() -> bytes:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        info = tarfile.TarInfo("here")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    return tar.getvalue()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


TAR = _layer()
LAYER = gzip.compress(TAR, mtime=0)
CONFIG = json.dumps(
    {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest(TAR)]},
    }
).encode()
KIND = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": KIND,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": len(CONFIG),
            "digest": digest(CONFIG),
        },
        "layers": [
            {
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": len(LAYER),
                "digest": digest(LAYER),
            }
        ],
    }
).encode()


class Registry(ThreadingHTTPServer):
    """Has the image ``tiny:1``, and answers with errors first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.errors: list[int] = []

    @property
    def image(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}/tiny:1"


class _Answer(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        bodies = {
            "/v2/": (b"{}", "application/json"),
            "/v2/tiny/manifests/1": (MANIFEST, KIND),
            f"/v2/tiny/manifests/{digest(MANIFEST)}": (MANIFEST, KIND),
            f"/v2/tiny/blobs/{digest(CONFIG)}": (CONFIG, "application/octet-stream"),
            f"/v2/tiny/blobs/{digest(LAYER)}": (LAYER, "application/octet-stream"),
        }
        body, kind = bodies.get(self.path, (b"", ""))
        status = 200 if body else 404
        if "manifests" in self.path and self.server.errors:
            status, body = (self.server.errors.pop(0) if self.command == "GET" else 503), b""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if "manifests" in self.path and status == 200:
            self.send_header("Docker-Content-Digest", digest(MANIFEST))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry; the image is removed afterwards."""
    try:
        with connected(2) as client:
            client.ping()
    except Unavailable as error:
        pytest.skip(error.cause)
    server = Registry()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)
    with connected() as client:
        for image in client.images.list(server.image):
            client.images.remove(image.id, force=True)


def is_here(image: str) -> bool:
    with connected() as client:
        return bool(client.images.list(image))


def test_an_image_is_pulled_and_it_is_told_how_far(registry: Registry) -> None:
    told: list[str] = []
    have(registry.image, told.append)
    assert is_here(registry.image)
    assert (told[0], told[-1]) == ("pulling", "")
    assert "pulling: 1 of 1 layers" in told


def test_an_image_that_is_here_is_not_asked_for(registry: Registry) -> None:
    have(registry.image, lambda text: None)
    told: list[str] = []
    registry.errors = [404] * 9
    have(registry.image, told.append)
    assert told == []


def test_what_passes_is_tried_again_and_each_try_is_told(registry: Registry) -> None:
    registry.errors = [503, 503]
    told: list[str] = []
    have(registry.image, told.append, (0.3, 0.3, 0.3))
    assert is_here(registry.image)
    assert any("; try 2 to pull it follows in " in text for text in told)


def test_each_vain_try_is_told_in_the_error(registry: Registry) -> None:
    registry.errors = [503] * 99
    with pytest.raises(StartFailed) as raised:
        have(registry.image, lambda text: None, (0.1,))
    lines = str(raised.value).splitlines()
    assert lines[0] == f"{registry.image} is not here and could not be pulled"
    assert [line[:9] for line in lines[1:3]] == ["  try 1: ", "  try 2: "]
    assert lines[3] == f"  type: docker pull {registry.image}"


def test_what_does_not_pass_is_not_tried_again(registry: Registry) -> None:
    unknown = registry.image.replace("tiny", "unknown")
    told: list[str] = []
    with pytest.raises(StartFailed) as raised:
        have(unknown, told.append)
    assert told == ["pulling"]
    assert len(raised.value.tried) == 1


def test_the_end_of_the_run_ends_the_wait_for_the_next_try(registry: Registry) -> None:
    registry.errors = [503] * 99

    def tell(text: str) -> None:
        if "follows" in text:
            raise StartFailed("the run is ending", remedy="pytest")

    with pytest.raises(StartFailed, match="the run is ending"):
        have(registry.image, tell, (60.0,))


def test_another_tag_of_an_image_is_found(registry: Registry) -> None:
    have(registry.image, lambda text: None)
    name = registry.image.removesuffix(":1")
    with connected() as client:
        assert another_tag(f"{name}:2", images_here(client)) == registry.image
        client.images.get(registry.image).tag(name, "latest")
        assert another_tag(f"{name}:2", images_here(client)) == f"{name}:latest"
        assert another_tag(f"{name}unknown:2", images_here(client)) == ""


@pytest.mark.parametrize(
    ("reason", "passes"),
    [
        ("net/http: TLS handshake timeout", True),
        ("read tcp 10.0.0.1:1->10.0.0.2:443: read: connection reset by peer", True),
        ("received unexpected HTTP status: 503 Service Unavailable", True),
        ("toomanyrequests: You have reached your pull rate limit", True),
        ("dial tcp 127.0.0.1:1: connect: connection refused", False),
        ("manifest for redis:99 not found: manifest unknown", False),
        ("pull access denied for acme, repository does not exist", False),
        ("dial tcp: lookup registry-1.docker.io: no such host", False),
    ],
)
def test_which_errors_pass(reason: str, passes: bool) -> None:
    assert is_passing(reason) is passes
