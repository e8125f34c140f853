"""Both databases: a test that asks for `url` runs on SQLite and on a real PostgreSQL."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from liveclass.catalogue.store import Catalogue
from tests.servers import Postgres, missing_postgres, postgres


@pytest.fixture(scope="session")
def pg() -> Iterator[Postgres]:
    """A PostgreSQL of this test run."""
    if why := missing_postgres():
        pytest.skip(why)
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without any table."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'liveclass.db'}"
    server: Postgres = request.getfixturevalue("pg")
    return server.database()


@pytest.fixture
async def catalogue(url: str) -> AsyncIterator[Catalogue]:
    """An open catalogue without any lesson."""
    opened = await Catalogue.open(url)
    yield opened
    await opened.close()
