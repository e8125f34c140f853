"""Fixtures of the server's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from liveclass.server import signalling
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
