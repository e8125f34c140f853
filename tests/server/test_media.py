"""Replays: signed addresses, ranges, caching, and no way to any other file."""

from pathlib import Path

import pytest

from liveclass.recording.model import Clip, Manifest, MediaFile, Part, RecordingStatus
from tests.server.stage import Stage, bearer, build

SEGMENT = bytes(range(256)) * 40


async def replay(stage: Stage, tmp_path: Path) -> tuple[dict[str, str], dict[str, object], str]:
    """A lesson with a recording, its manifest and the signed prefix."""
    lesson = await stage.lesson("Fractions", language="en")
    path = tmp_path / "main-000001.m4s"
    path.write_bytes(SEGMENT)
    files = stage.recordings.files
    files[lesson["id"], "main.m3u8"] = MediaFile(None, b"#EXTM3U\n", "application/vnd.apple.mpegurl", "live", "v1")
    files[lesson["id"], path.name] = MediaFile(path, None, "video/iso.segment", "immutable", "x")
    stage.recordings.statuses[lesson["id"]] = RecordingStatus("recording", 10.0, len(SEGMENT))
    stage.recordings.manifests[lesson["id"]] = Manifest(
        main="main.m3u8",
        parts=(Part(0.0, 10.0, 1_800_000_000_000),),
        clips=(Clip("c1", "screen", "小李", 2.0, 5.0, "screen-1.m3u8", True),),
        light="light.m3u8",
    )
    response = await stage.client.get(f"/api/replays/{lesson['id']}", headers=bearer(lesson["replay_token"]))
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    manifest = await response.json()
    return lesson, manifest, manifest["main"]["url"].rsplit("/", 1)[0]


async def test_the_manifest_says_what_there_is_to_play(stage: Stage, tmp_path: Path) -> None:
    lesson, manifest, prefix = await replay(stage, tmp_path)
    assert manifest == {
        "lesson": {
            "id": lesson["id"],
            "title": "Fractions",
            "language": "en",
            "state": "waiting",
            "started_at_ms": None,
        },
        "recording": {"state": "recording", "duration_s": 10.0, "bytes": len(SEGMENT), "problem": ""},
        "main": {"url": f"{prefix}/main.m3u8"},
        "light": {"url": f"{prefix}/light.m3u8"},
        "parts": [{"starts_at_s": 0.0, "duration_s": 10.0, "began_at_ms": 1_800_000_000_000}],
        "clips": [
            {
                "id": "c1",
                "kind": "screen",
                "name": "小李",
                "starts_at_s": 2.0,
                "duration_s": 5.0,
                "url": f"{prefix}/screen-1.m3u8",
                "ended": True,
            }
        ],
    }


async def test_a_lesson_without_a_recording_has_nothing_to_play_yet(stage: Stage) -> None:
    lesson = await stage.lesson()
    response = await stage.client.get(f"/api/replays/{lesson['id']}", headers=bearer(lesson["replay_token"]))
    manifest = await response.json()
    assert (manifest["main"], manifest["parts"], manifest["recording"]["state"]) == (None, [], "off")


async def test_playlists_are_asked_for_again_and_segments_kept(stage: Stage, tmp_path: Path) -> None:
    _, _, prefix = await replay(stage, tmp_path)
    playlist = await stage.client.get(f"{prefix}/main.m3u8")
    assert (playlist.status, playlist.content_type) == (200, "application/vnd.apple.mpegurl")
    assert playlist.headers["Cache-Control"] == "private, no-cache"
    again = await stage.client.get(f"{prefix}/main.m3u8", headers={"If-None-Match": playlist.headers["ETag"]})
    assert again.status == 304
    segment = await stage.client.get(f"{prefix}/main-000001.m4s")
    assert (segment.status, await segment.read()) == (200, SEGMENT)
    assert segment.content_type == "video/iso.segment"
    assert segment.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert segment.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in segment.headers


async def test_segments_can_be_read_in_ranges_and_asked_about(stage: Stage, tmp_path: Path) -> None:
    _, _, prefix = await replay(stage, tmp_path)
    url = f"{prefix}/main-000001.m4s"
    part = await stage.client.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status, await part.read()) == (206, SEGMENT[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(SEGMENT)}"
    tail = await stage.client.get(url, headers={"Range": "bytes=-10"})
    assert await tail.read() == SEGMENT[-10:]
    beyond = await stage.client.get(url, headers={"Range": "bytes=999999-"})
    assert beyond.status == 416
    head = await stage.client.head(url)
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(SEGMENT)))
    known = await stage.client.get(url, headers={"If-None-Match": head.headers["ETag"]})
    assert known.status == 304


async def test_a_bearer_token_opens_the_plain_address(stage: Stage, tmp_path: Path) -> None:
    lesson, _, _ = await replay(stage, tmp_path)
    url = f"/media/{lesson['id']}/main.m3u8"
    for role in ("replay", "teacher"):
        assert (await stage.client.get(url, headers=bearer(lesson[f"{role}_token"]))).status == 200
    assert (await stage.client.get(url)).status == 401


@pytest.mark.parametrize(("opened", "status"), [(False, 403), (True, 200)])
async def test_the_classroom_link_opens_the_replay_only_where_the_operator_says_so(
    tmp_path: Path, opened: bool, status: int
) -> None:
    stage = await build(tmp_path, classroom_replay=opened)
    lesson, _, _ = await replay(stage, tmp_path)
    for path in (f"/api/replays/{lesson['id']}", f"/media/{lesson['id']}/main.m3u8"):
        response = await stage.client.get(path, headers=bearer(lesson["classroom_token"]))
        assert response.status == status
    await stage.close()


async def test_an_address_is_good_for_its_lesson_until_it_expires(stage: Stage, tmp_path: Path) -> None:
    lesson, _, prefix = await replay(stage, tmp_path)
    other = await stage.lesson()
    expires, signature = prefix.rsplit("/", 1)[1].split(".")
    forged = {
        f"/media/{other['id']}/{expires}.{signature}": "url_invalid",
        f"/media/{lesson['id']}/{int(expires) + 1}.{signature}": "url_invalid",
        f"/media/{lesson['id']}/{expires}.{signature[:-1]}": "url_invalid",
        f"/media/{lesson['id']}/{expires}.{signature}x": "url_invalid",
        f"/media/{lesson['id']}/{expires}.": "url_invalid",
        f"/media/{lesson['id']}/.{signature}": "url_invalid",
        f"/media/{lesson['id']}/²{expires}.{signature}": "url_invalid",
        f"/media/{lesson['id']}/{'9' * 400}.{signature}": "url_invalid",
    }
    for address, code in forged.items():
        response = await stage.client.get(f"{address}/main.m3u8")
        assert (response.status, (await response.json())["error"]["code"]) == (403, code), address
    stage.clock.advance(12 * 3600 - 1)
    assert (await stage.client.get(f"{prefix}/main.m3u8")).status == 200
    stage.clock.advance(902)
    late = await stage.client.get(f"{prefix}/main.m3u8")
    assert (late.status, (await late.json())["error"]["code"]) == (403, "url_expired")


@pytest.mark.parametrize(
    "name",
    [
        "..%2F..%2Ftest.db",
        "%2e%2e",
        "..",
        "%00",
        ".hidden",
        "main.m3u8%00",
        "a%2Fb",
        "x" * 300,
        "none.m4s",
        "%E4%B8%AD",
    ],
)
async def test_no_name_leads_outside_the_replay(stage: Stage, tmp_path: Path, name: str) -> None:
    from yarl import URL

    _, _, prefix = await replay(stage, tmp_path)
    response = await stage.client.get(URL(f"{prefix}/{name}", encoded=True))
    assert response.status == 404
    assert SEGMENT not in await response.read()
