"""One recording's sink: packets gather between ticks."""

from pathlib import Path

import pytest

from liveclass.recording import session
from tests.recording import media
from tests.recording.studio import Studio


async def lesson(root: Path) -> dict[str, bytes]:
    """The files of a lesson over a bad network."""
    studio = Studio(root)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(8), lost=lambda seq: 0.4 if seq % 50 == 7 else 0.0)
    studio.publish("camera", "H264", media.pictures("H264", 8), lost=lambda seq: None if seq % 90 == 8 else 0.0)
    await studio.run(9)
    await studio.recordings.finish("lesson")
    return {path.name: path.read_bytes() for path in (root / "lesson").iterdir()}


async def test_packets_that_gather_are_recorded_as_if_each_came_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = await lesson(tmp_path / "together")
    monkeypatch.setattr(session, "_MOST_GATHERED", 1)
    assert await lesson(tmp_path / "alone") == together
    assert "main-000001.m4s" in together


@pytest.mark.parametrize("recorded", [True, False])
async def test_packets_gather_only_so_many(tmp_path: Path, recorded: bool) -> None:
    studio = Studio(tmp_path)
    sink = await studio.begin()
    assert isinstance(sink, session.Session)
    source = studio.publish("microphone", "opus", [])
    sink.source_added(source, 0.0)
    if not recorded:
        await studio.recordings.close()
    most = 0
    for seq in range(1000):
        sink.packet(source, seq, 960 * seq, False, b"\xf8\xff\xfe", seq / 50)
        most = max(most, len(sink._gathered))
    assert most == session._MOST_GATHERED - 1
    studio.recordings.tick(20.0)
    await studio.recordings.close()
    assert studio.recordings.status("lesson").duration_s == pytest.approx(20 if recorded else 0, abs=0.5)
