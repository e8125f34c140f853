"""A stand-in for the server's replay routes: pages, `GET /api/replays/{lesson}`, timeline, signed and expiring media.

Its faults are switched by tests: no answer, expired signatures, a lesson that has run for only so long. It serves the
built pages under the policy that the real server sets, so a page that breaks it is seen here.
"""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.web.lesson_on_disk import SEGMENT_S

PAGES = Path(__file__).parents[2] / "src" / "liveclass" / "web"
TOKEN = "r" * 32
LESSON = "lesson1"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Track:
    """One playlist on disk: the lines of its parts, and where the first starts in replay time."""

    folder: Path
    parts: list[list[str]]
    starts_at_s: float = 0.0
    kind: str = "main"
    name: str = ""

    @property
    def duration_s(self) -> float:
        """Of all its segments."""
        return sum(_length(line) for part in self.parts for line in part if line.startswith("#EXTINF"))


@dataclass
class Recorded:
    """The lesson as the server knows it; tests change it while the page plays.

    Attributes:
        recorded_s: how much of it has been recorded; None: all.
        answering: when false every request is dropped without an answer.
        signature: part of every media URL; another one makes the old URLs expire.
        timeline: the log's events, as JSON; None: the server keeps none.
        files: the materials' files by name.
    """

    main: Track | None
    clips: list[Track] = field(default_factory=list)
    parts: list[dict[str, float]] = field(default_factory=list)
    title: str = "Fractions, lesson 3"
    state: str = "ended"
    recording: str = "finished"
    problem: str = ""
    recorded_s: float | None = None
    answering: bool = True
    signature: str = "first"
    asked: int = 0
    light: bool = False
    timeline: list[dict[str, Any]] | None = None
    files: dict[str, bytes] = field(default_factory=dict)

    def until_s(self, track: Track) -> float:
        """How much of a track can be played."""
        whole = track.duration_s
        return whole if self.recorded_s is None else max(0.0, min(whole, self.recorded_s - track.starts_at_s))

    def ended(self, track: Track) -> bool:
        return self.until_s(track) >= track.duration_s

    def playlist(self, track: Track) -> str:
        """The media playlist up to what has been recorded."""
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{SEGMENT_S}", "#EXT-X-PLAYLIST-TYPE:EVENT"]
        left = self.until_s(track)
        for number, part in enumerate(track.parts):
            if number and left > 0:
                lines.append("#EXT-X-DISCONTINUITY")
            for line in part:
                if line.startswith("#EXTINF"):
                    left -= _length(line)
                if left < -0.001:
                    break
                lines.append(line)
        if self.ended(track) and self.state == "ended":
            lines.append("#EXT-X-ENDLIST")
        return "\n".join(lines) + "\n"

    def description(self) -> dict[str, Any]:
        """What the API answers."""
        prefix = f"/media/{LESSON}/{int(time.time()) + 600}.{self.signature}"
        on = [clip for clip in self.clips if self.until_s(clip) > 0]
        return {
            "lesson": {
                "id": LESSON,
                "title": self.title,
                "language": "zh-CN",
                "state": self.state,
                "started_at_ms": None if self.state == "waiting" else 1_795_000_000_000,
            },
            "recording": {
                "state": self.recording,
                "duration_s": 0 if self.main is None else self.until_s(self.main),
                "bytes": 1_000_000,
                "problem": self.problem,
            },
            "main": None if self.main is None else {"url": f"{prefix}/main.m3u8"},
            "light": {"url": f"{prefix}/main.m3u8"} if self.light else None,
            "parts": self.parts,
            "clips": [
                {
                    "id": f"clip{self.clips.index(clip)}",
                    "kind": clip.kind,
                    "name": clip.name,
                    "starts_at_s": clip.starts_at_s,
                    "duration_s": self.until_s(clip),
                    "url": f"{prefix}/clip{self.clips.index(clip)}.m3u8",
                    "ended": self.ended(clip),
                }
                for clip in on
            ],
        }

    def track(self, name: str) -> Track | None:
        if name == "main":
            return self.main
        number = name.removeprefix("clip")
        return self.clips[int(number)] if number.isdigit() and int(number) < len(self.clips) else None


def _length(line: str) -> float:
    return float(line.removeprefix("#EXTINF:").rstrip(","))


@asynccontextmanager
async def serving(recorded: Recorded) -> AsyncIterator[str]:
    """Serves a recorded lesson on a free port of loopback; yields the replay link."""
    app = web.Application(middlewares=[_faults(recorded)])

    async def page(_request: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGES / "replay.html", headers={"Content-Security-Policy": POLICY})

    async def api(request: web.Request) -> web.StreamResponse:
        recorded.asked += 1
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            error = {"error": {"code": "token_invalid", "message": "This link is not valid."}}
            return web.json_response(error, status=401)
        return web.json_response(recorded.description())

    async def timeline(request: web.Request) -> web.StreamResponse:
        if recorded.timeline is None:
            raise web.HTTPNotFound
        after = int(request.query.get("after", "0"))
        lines = [json.dumps(one) + "\n" for one in recorded.timeline if one["seq"] > after]
        return web.Response(text="".join(lines), content_type="application/x-ndjson")

    async def material(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in recorded.files:
            raise web.HTTPNotFound
        kinds = {"webp": "image/webp", "json": "application/json", "mp4": "video/mp4", "m4a": "audio/mp4"}
        body, kind = recorded.files[name], kinds[name.rpartition(".")[2]]
        part = request.http_range
        if part.start is None:
            return web.Response(body=body, content_type=kind, headers={"Accept-Ranges": "bytes"})
        # Without ranges a browser does not jump within a film.
        first, after = part.start, min(part.stop or len(body), len(body))
        headers = {"Content-Range": f"bytes {first}-{after - 1}/{len(body)}"}
        return web.Response(status=206, body=body[first:after], content_type=kind, headers=headers)

    async def playlist(request: web.Request) -> web.StreamResponse:
        track = recorded.track(request.match_info["track"])
        if track is None:
            raise web.HTTPNotFound
        return web.Response(text=recorded.playlist(track), content_type="application/vnd.apple.mpegurl")

    async def segment(request: web.Request) -> web.StreamResponse:
        info = request.match_info
        tracks = [track for track in (recorded.main, *recorded.clips) if track is not None]
        for track in tracks:
            path = track.folder / info["part"] / info["file"]
            if path.is_file():
                return web.FileResponse(path, headers={"Content-Type": "video/mp4"})
        raise web.HTTPNotFound

    app.router.add_get("/replay/{lesson}", page)
    app.router.add_get("/api/replays/{lesson}", api)
    app.router.add_get("/api/timeline/{lesson}", timeline)
    app.router.add_get("/material/{lesson}/{name}", material)
    app.router.add_get("/media/{lesson}/{signed}/{track}.m3u8", playlist)
    app.router.add_get("/media/{lesson}/{signed}/{part}/{file}", segment)
    app.router.add_static("/assets", PAGES / "assets")
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/replay/{LESSON}#{TOKEN}"
    finally:
        await runner.cleanup()


def _faults(recorded: Recorded) -> Any:
    @web.middleware
    async def middleware(request: web.Request, handler: Any) -> web.StreamResponse:
        if not recorded.answering:
            if request.transport is not None:
                request.transport.abort()
            raise web.HTTPServiceUnavailable
        signed = request.match_info.get("signed")
        if signed is not None and not signed.endswith(f".{recorded.signature}"):
            raise web.HTTPForbidden
        response: web.StreamResponse = await handler(request)
        return response

    return middleware
