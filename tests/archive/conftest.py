"""Stores to test with: a folder, and S3 as moto plays it on the loopback."""

from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from liveclass.archive.store import Store
from tests.archive.depot import Faulty


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_endpoint: str) -> Store:
    """An empty bucket."""
    urlopen(Request(f"{s3_endpoint}/moto-api/reset", method="POST"))  # noqa: S310
    auth = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    urlopen(Request(f"{s3_endpoint}/lessons", method="PUT", headers={"Authorization": auth}))  # noqa: S310
    return Store.open("s3://lessons/some/prefix", endpoint=s3_endpoint, key_id="key", key_secret="a secret")  # noqa: S106


@pytest.fixture
def folder(tmp_path: Path) -> Store:
    return Store.open(f"file://{tmp_path}/store")


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest) -> Faulty:
    """Each kind of store."""
    found: Store = request.getfixturevalue(request.param)
    return Faulty.over(found)
