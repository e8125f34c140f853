"""Fixtures of the server's tests."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from liveclass.relay.plane import Plane, PlaneOptions
from liveclass.server import signalling
from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import Endpoint
from tests.server.stage import Stage, build


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets that a test leaves open do not answer a close."""
    monkeypatch.setattr(signalling, "CLOSE_S", 0.1)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A server with default settings."""
    made = await build(tmp_path)
    yield made
    await made.close()


@dataclass
class Live:
    """A server whose media plane is the real one."""

    stage: Stage
    plane: Plane
    endpoint: Endpoint


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    """A server on a real media port of loopback."""
    endpoint = Endpoint(Identity.generate(time.time()), timeout_s=30.0, max_sessions=100, public=["127.0.0.1"])
    await endpoint.open("127.0.0.1", 0)
    planes: list[Plane] = []

    def figures() -> dict[str, float | int]:
        return planes[0].stats()

    stage = await build(tmp_path, relay_stats=figures)
    plane = Plane(endpoint, stage.lessons, PlaneOptions(), on_join=stage.lessons.joined)
    planes.append(plane)
    stage.lessons.attach(plane, stage.recordings)
    yield Live(stage, plane, endpoint)
    await stage.close()
    endpoint.close()
