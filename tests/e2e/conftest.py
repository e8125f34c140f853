"""Fixtures of the browser tests: one server and one school for each test, and pictures of what failed."""

import re
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest

from tests.e2e.school import School, Wardrobe
from tests.e2e.server import Lesson, LiveServer

OUTPUT = Path(__file__).parent / "output"
failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[failed] = True
    return report


@pytest.fixture(scope="session")
def wardrobe(tmp_path_factory: pytest.TempPathFactory) -> Wardrobe:
    return Wardrobe(tmp_path_factory.mktemp("wardrobe"))


@pytest.fixture
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[LiveServer]:
    """A running server; `@pytest.mark.parametrize("server", [{"setting": "value"}], indirect=True)` sets more."""
    live = LiveServer(tmp_path / "data", getattr(request, "param", None))
    await live.start()
    yield live
    await live.stop()
    log = live.log.read_text("utf-8", errors="replace")
    if request.node.stash.get(failed, False):
        print(f"\n---- the server's last words\n{live.log_tail()}")
    assert "Traceback" not in log, live.log_tail(120)


@pytest.fixture
async def lesson(server: LiveServer) -> Lesson:
    """A waiting lesson."""
    return await server.create_lesson()


@pytest.fixture
async def school(server: LiveServer, wardrobe: Wardrobe, request: pytest.FixtureRequest) -> AsyncIterator[School]:
    """The people; they leave before the server ends."""
    async with School(wardrobe) as everyone:
        yield everyone
        if request.node.stash.get(failed, False):
            folder = OUTPUT / re.sub(r"[^A-Za-z0-9_-]+", "-", request.node.name)
            await everyone.photograph(folder)
            print(f"\n---- pictures in {folder}")
            print("\n".join(line for someone in everyone.people for line in someone.complaints))
        assert everyone.thrown() == []
