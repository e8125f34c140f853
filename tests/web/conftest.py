"""Built pages and a small recorded lesson, made once for all tests of this folder."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.web.build import load_build_pages
from tests.web.lesson_on_disk import FRAMES_PER_S, make_part
from tests.web.replay_server import Recorded, Track

JOIN_S = 20
SCREEN_AT_S = 8
SCREEN_S = 16


@pytest.fixture(scope="session")
def pages() -> Path:
    """The folder of the built pages, up to date with their sources."""
    build_pages = load_build_pages()
    build_pages.build()
    folder: Path = build_pages.PAGES
    return folder


@pytest.fixture(scope="session")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Track, Track]:
    """A main track of 40 s in two parts, and a screen that was shared from second 8 to 24, across their join."""
    folder = tmp_path_factory.mktemp("lesson")
    joined = JOIN_S * FRAMES_PER_S
    parts = [
        make_part(folder / "part0", 0, JOIN_S, sound=True),
        make_part(folder / "part1", joined, JOIN_S, sound=True),
    ]
    screen = [make_part(folder / "screen0", SCREEN_AT_S * FRAMES_PER_S, SCREEN_S, sound=False)]
    return Track(folder, parts), Track(folder, screen, starts_at_s=SCREEN_AT_S, kind="screen", name="Lin")


@pytest.fixture
def recorded(tracks: tuple[Track, Track]) -> Recorded:
    """The lesson, over and recorded whole."""
    main, screen = tracks
    part: dict[str, float] = {"starts_at_s": 0, "duration_s": JOIN_S, "began_at_ms": 1_795_000_000_000}
    rest: dict[str, float] = {"starts_at_s": JOIN_S, "duration_s": JOIN_S, "began_at_ms": 1_795_000_060_000}
    return Recorded(main, [screen], [part, rest])


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the answers are judged by the pages."""


@pytest.fixture(scope="session")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address at which the built stories are served."""
    folder = tmp_path_factory.mktemp("stories")
    load_build_pages().build_stories(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/dev/stories.html"
    server.shutdown()
    server.server_close()
