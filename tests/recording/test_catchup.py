"""What a classroom that catches up is sent: one track, from the moment that it missed, up to the live edge."""

import asyncio
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveclass.errors import PeerError
from liveclass.recording import follow, reading
from liveclass.recording.catchup import Rendition, moment, picture_codec, read_piece, strip, strip_init
from liveclass.recording.filler import PAPER_FORMAT
from liveclass.recording.fmp4 import AUDIO_TRACK_ID, VIDEO_TRACK_ID, Run, Sample, boxes, fragment, init_segment
from liveclass.recording.follow import CatchupStream, Chunk
from liveclass.recording.formats import opus_entry
from liveclass.recording.model import RecordingOptions
from tests.recording import media
from tests.recording.media import Decoded, decode
from tests.recording.studio import WALL_AT_ZERO, NoSyncDisk, Studio
from tests.recording.test_low import SMALL, small

BEGAN_MS = round(WALL_AT_ZERO * 1000)
PATIENCE_S = 5.0


def wall_ms(seconds: float) -> int:
    """The studio's time as pages name it."""
    return BEGAN_MS + round(seconds * 1000)


async def rest(stream: CatchupStream) -> list[Chunk]:
    """Everything up to the end of the stream."""
    chunks = []
    async with asyncio.timeout(PATIENCE_S):
        while (chunk := await stream.next()) is not None:
            chunks.append(chunk)
    return chunks


def played(chunks: list[Chunk]) -> Decoded:
    return decode(b"".join(chunk.data for chunk in chunks))


def times(chunks: list[Chunk]) -> list[tuple[float, float]]:
    """Where each fragment begins and ends, in seconds."""
    found = []
    for chunk in chunks:
        if chunk.media_s:
            ((_, _, end),) = [entry for entry in boxes(chunk.data) if entry[0] == b"moof"]
            for track, scale in ((AUDIO_TRACK_ID, 48_000), (VIDEO_TRACK_ID, 90_000)):
                piece = read_piece(chunk.data[:end], 0, track)
                if piece is not None:
                    found.append((piece.start / scale, piece.end / scale))
    return found


async def lesson(root: Path, until: float = 24, *, low: bool = True, options: RecordingOptions | None = None) -> Studio:
    """A lesson of 40 s, of which so much has been taught."""
    studio = Studio(root, options)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(40), begin=0.5)
    studio.publish("camera", "H264", media.pictures("H264", 40, keyframe_s=5.0), begin=0.5)
    if low:
        studio.publish("camera", "H264", small(40), begin=0.5, rendition="low")
    await studio.run(until)
    return studio


# Pure


@given(
    st.lists(st.tuples(st.binary(max_size=40), st.sampled_from([960, 480])), max_size=6),
    st.lists(st.tuples(st.binary(max_size=40), st.integers(1, 9000), st.booleans()), max_size=6),
    st.integers(0, 1 << 40),
    st.integers(0, 5),
)
def test_a_track_cut_out_of_a_fragment_is_that_fragment_with_one_track(
    sound: list[tuple[bytes, int]], picture: list[tuple[bytes, int, bool]], start: int, first: int
) -> None:
    runs = {
        AUDIO_TRACK_ID: Run(AUDIO_TRACK_ID, start + 7, [Sample(data, length, True) for data, length in sound]),
        VIDEO_TRACK_ID: Run(VIDEO_TRACK_ID, start, [Sample(*sample) for sample in picture]),
    }
    data = b"before" + fragment(3, list(runs.values()))
    (_, _, end) = next(boxes(data, 6))
    for track, run in runs.items():
        piece = read_piece(data[6:end], 6, track)
        if not run.samples:
            assert piece is None
            continue
        assert piece is not None
        skip = min(first, len(run.samples) - 1) if track == VIDEO_TRACK_ID else 0
        kept = run.samples[skip:]
        begin = run.start + sum(sample.duration for sample in run.samples[:skip])
        cut = strip(9, piece, data[piece.data_at : piece.data_at + piece.size], skip)
        assert cut == fragment(9, [Run(track, begin, kept)]) or len({s.duration for s in run.samples}) > 1
        again = read_piece(cut[: next(boxes(cut))[2]], 0, track)
        assert again is not None
        assert (again.start, again.end) == (begin, piece.end)
        assert cut[again.data_at :] == b"".join(sample.data for sample in kept)
        # Where a player cuts depends on the sizes only.
        assert [keyframe.at for keyframe in again.keyframes] == [k.at for k in piece.keyframes if k.sample >= skip]


@given(st.binary(max_size=200))
def test_no_bytes_but_ours_are_taken_for_a_fragment(data: bytes) -> None:
    for track in (AUDIO_TRACK_ID, VIDEO_TRACK_ID):
        try:
            read_piece(b"\0\0\0\0moof" + data, 0, track)
        except ValueError:
            continue


def test_the_init_of_one_track_describes_that_track_alone() -> None:
    both = init_segment(PAPER_FORMAT.entry, (PAPER_FORMAT.width, PAPER_FORMAT.height), opus_entry())
    size = (PAPER_FORMAT.width, PAPER_FORMAT.height)
    assert strip_init(both, VIDEO_TRACK_ID) == init_segment(PAPER_FORMAT.entry, size, None)
    assert strip_init(both, AUDIO_TRACK_ID) == init_segment(None, (0, 0), opus_entry())
    assert picture_codec(both) == PAPER_FORMAT.codec
    with pytest.raises(ValueError, match="no picture"):
        picture_codec(strip_init(both, AUDIO_TRACK_ID))
    with pytest.raises(ValueError, match="not described"):
        strip_init(strip_init(both, AUDIO_TRACK_ID), VIDEO_TRACK_ID)


@pytest.mark.parametrize("codec", ["H264", "VP9", "AV1"])
def test_the_codec_is_named_as_the_recorder_names_it(codec: str) -> None:
    from liveclass.recording.formats import picture_format

    found = picture_format(codec, media.pictures(codec, 1)[0].data)  # type: ignore[arg-type]
    assert found is not None
    assert picture_codec(init_segment(found.entry, (160, 96), opus_entry())) == found.codec


PARTS = [(0, 1000), (900_000, 61_000), (1_800_000, 100_000)]


@pytest.mark.parametrize(
    ("wall", "expected"),
    [
        (0, (0, 0)),
        (1000, (0, 0)),
        (3500, (0, 225_000)),
        (30_000, (1, 900_000)),
        (61_000, (1, 900_000)),
        (62_000, (1, 990_000)),
        (99_999, (2, 1_800_000)),
        (200_000, (2, 10_800_000)),
    ],
)
def test_a_moment_lies_in_its_part_and_one_between_parts_in_the_next(wall: int, expected: tuple[int, int]) -> None:
    assert moment(PARTS, wall) == expected


# Streams


async def test_the_sound_is_sent_from_its_moment_to_the_end_without_a_hole(tmp_path: Path) -> None:
    studio = await lesson(tmp_path)
    stream = await studio.recordings.catchup("lesson", wall_ms(7.3), "sound")
    following = asyncio.create_task(rest(stream))
    await studio.run(36)
    await studio.recordings.finish("lesson")
    chunks = await following
    spans = times(chunks)
    assert stream.content_type == 'audio/mp4; codecs="opus"'
    assert spans[0][0] == stream.starts_at_s
    assert spans[0][0] <= 7.3 < spans[0][1]
    assert all(before[1] == after[0] for before, after in itertools.pairwise(spans))
    assert spans[-1][1] == pytest.approx(36, abs=0.05)
    assert all(chunk.media_s <= 1.1 for chunk in chunks)
    decoded = played(chunks)
    assert decoded.frames == []
    tones = [at for at, _ in decoded.tones()]
    assert tones == [pytest.approx(7.52 + n, abs=0.05) for n in range(29)]


async def test_the_picture_is_sent_small_from_a_keyframe(tmp_path: Path) -> None:
    studio = await lesson(tmp_path)
    # Low keyframes are sampled at 0.5, 4.5, 8.5...
    stream = await studio.recordings.catchup("lesson", wall_ms(10.6), "picture")
    assert stream.content_type.startswith('video/mp4; codecs="avc1.')
    assert stream.starts_at_s == pytest.approx(8.52, abs=0.05)
    following = asyncio.create_task(rest(stream))
    await studio.run(33)
    await studio.recordings.finish("lesson")
    chunks = await following
    spans = times(chunks)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(spans))
    decoded = played(chunks)
    assert {size for _, _, size in decoded.frames} == {SMALL}
    assert len(decoded.samples) == 0
    assert len(decoded.frames) == pytest.approx(245, abs=3)
    assert [at for at in decoded.flashes() if at > 9] == [pytest.approx(9.52 + n, abs=0.1) for n in range(24)]


async def test_a_keyframe_too_far_back_is_not_taken_but_the_next_one(tmp_path: Path) -> None:
    studio = await lesson(tmp_path)
    stream = await studio.recordings.catchup("lesson", wall_ms(12.0), "picture")
    assert stream.starts_at_s == pytest.approx(12.52, abs=0.05)
    await studio.recordings.finish("lesson")
    assert played(await rest(stream)).frames[0][0] == pytest.approx(12.52, abs=0.05)


async def test_without_a_low_rendition_the_picture_is_the_main_one(tmp_path: Path) -> None:
    studio = await lesson(tmp_path, low=False)
    stream = await studio.recordings.catchup("lesson", wall_ms(11.0), "picture")
    assert stream.starts_at_s == pytest.approx(10.52, abs=0.05)
    await studio.recordings.finish("lesson")
    decoded = played(await rest(stream))
    assert {size for _, _, size in decoded.frames} == {(160, 96)}
    assert len(decoded.samples) == 0


async def test_a_stream_that_follows_gets_each_fragment_as_soon_as_it_is_on_the_medium(tmp_path: Path) -> None:
    studio = await lesson(tmp_path, until=10)
    await studio.settle()
    stream = await studio.recordings.catchup("lesson", wall_ms(8.5), "sound")
    end = 0.0
    for now in range(11, 20):
        await studio.run(now)
        await studio.settle()
        while end < now - 1.0:
            async with asyncio.timeout(PATIENCE_S):
                chunk = await stream.next()
            assert chunk is not None
            end = times([chunk])[0][1] if chunk.media_s else end
        assert end >= now - 1.0
    await studio.recordings.finish("lesson")


async def test_a_moment_before_the_lesson_is_its_beginning(tmp_path: Path) -> None:
    studio = await lesson(tmp_path, until=8)
    renditions: tuple[Rendition, ...] = ("sound", "picture")
    for rendition in renditions:
        stream = await studio.recordings.catchup("lesson", 0, rendition)
        assert stream.starts_at_s == pytest.approx(0, abs=0.6)
        assert stream.part.began_at_ms == BEGAN_MS
        assert stream.part.starts_at_s == 0
    await studio.recordings.finish("lesson")


@pytest.mark.parametrize("rendition", ["sound", "picture"])
async def test_a_moment_that_has_not_come_is_waited_for(tmp_path: Path, rendition: Rendition) -> None:
    studio = await lesson(tmp_path, until=8)
    waiting = asyncio.create_task(studio.recordings.catchup("lesson", wall_ms(15.7), rendition))
    await studio.run(12)
    await studio.settle()
    assert not waiting.done()
    await studio.run(18)
    stream = await asyncio.wait_for(waiting, PATIENCE_S)
    assert 12.4 <= stream.starts_at_s <= 16.6
    await studio.recordings.finish("lesson")


async def test_a_moment_that_never_comes_is_refused_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "OPEN_PATIENCE_S", 0.1)
    studio = await lesson(tmp_path, until=3)
    with pytest.raises(PeerError) as refused:
        await studio.recordings.catchup("lesson", wall_ms(1e7), "sound")
    assert (refused.value.status, refused.value.code) == (503, "not_yet")
    await studio.recordings.finish("lesson")


@pytest.mark.parametrize("rendition", ["sound", "picture"])
async def test_a_finished_recording_is_streamed_to_its_end_also_by_a_server_that_started_anew(
    tmp_path: Path, rendition: Rendition
) -> None:
    studio = await lesson(tmp_path, until=12)
    followed = await studio.recordings.catchup("lesson", wall_ms(4), rendition)
    await studio.recordings.finish("lesson")
    expected = [chunk.data for chunk in await rest(followed)]
    for _ in range(2):
        stream = await studio.recordings.catchup("lesson", wall_ms(4), rendition)
        assert [chunk.data for chunk in await rest(stream)] == expected
        with pytest.raises(PeerError) as refused:
            await studio.recordings.catchup("lesson", wall_ms(60), rendition)
        assert (refused.value.status, refused.value.code) == (404, "no_recording")
        await studio.recordings.close()
        studio.recordings = studio.new_recordings()
        await studio.recordings.start()
    await studio.recordings.delete("lesson")
    with pytest.raises(PeerError) as gone:
        await studio.recordings.catchup("lesson", wall_ms(4), rendition)
    assert gone.value.status == 404


async def test_what_is_not_recorded_is_refused(tmp_path: Path) -> None:
    studio = await lesson(tmp_path, until=3)
    for unknown in ("another", "../lesson", ""):
        with pytest.raises(PeerError) as refused:
            await studio.recordings.catchup(unknown, BEGAN_MS, "sound")
        assert (refused.value.status, refused.value.code) == (404, "no_recording")
    await studio.recordings.finish("lesson")


async def test_a_stream_ends_with_its_part_and_the_next_one_begins_there(tmp_path: Path) -> None:
    studio = await lesson(tmp_path, until=8)
    first = await studio.recordings.catchup("lesson", wall_ms(2), "sound")
    following = asyncio.create_task(rest(first))
    await asyncio.sleep(0)
    await studio.recordings.close()
    assert times(await following)[-1][1] == pytest.approx(8, abs=0.05)
    studio.recordings = studio.new_recordings()
    studio.now = 100.0
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(6), begin=100.5)
    await studio.run(106)
    await studio.settle()
    old = await studio.recordings.catchup("lesson", wall_ms(2), "sound")
    spans = times(await rest(old))
    assert spans[-1][1] == pytest.approx(8, abs=0.05)
    for missed in (50.0, 100.0):
        gap = await studio.recordings.catchup("lesson", wall_ms(missed), "sound")
        assert gap.starts_at_s == pytest.approx(8, abs=0.05)
        assert gap.part.began_at_ms == wall_ms(100)
        assert gap.part.starts_at_s == pytest.approx(8, abs=0.05)
    await studio.recordings.finish("lesson")
    assert times(await rest(gap))[-1][1] == pytest.approx(14, abs=0.05)


async def test_the_picture_changes_to_what_is_best_where_the_low_rendition_ends_and_begins(tmp_path: Path) -> None:
    """Whoever asks again from where a stream ended is led through the lesson, forward each time."""
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(40))
    studio.publish("camera", "H264", media.pictures("H264", 40, keyframe_s=5.0), begin=0.5)
    studio.publish("camera", "H264", small(8), begin=0.5, rendition="low")
    studio.publish("camera", "H264", small(10), begin=23.0, rendition="low")
    await studio.run(40)
    at, shown = 1.0, []
    for _ in range(12):
        stream = await studio.recordings.catchup("lesson", wall_ms(at), "picture")
        if at > 33:
            break
        chunks = await rest(stream)
        end = times(chunks)[-1][1]
        shown.append((stream.starts_at_s, end, played(chunks).frames[0][2]))
        assert end > at
        at = end
    assert [size for _, _, size in shown[:3]] == [SMALL, (160, 96), SMALL]
    assert len(shown) <= 4
    for (_, before, _), (after, _, _) in itertools.pairwise(shown):
        assert after <= before + 4.1
    await studio.recordings.finish("lesson")


async def test_another_resolution_comes_with_its_init_and_another_codec_ends_the_stream(tmp_path: Path) -> None:
    """A simulcast camera is one source whose best live layer changes at a keyframe."""
    large = media.pictures("H264", 6, size=(320, 192), keyframe_s=3.0)
    units = [*media.pictures("H264", 6, keyframe_s=3.0), *(unit._replace(at=unit.at + 6) for unit in large)]
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(12), begin=0.2)
    studio.publish("camera", "H264", units, begin=0.1)
    await studio.run(14)
    stream = await studio.recordings.catchup("lesson", 0, "picture")
    codec = stream.content_type
    await studio.recordings.finish("lesson")
    replay = studio.replay()
    sizes = [sorted({size for _, _, size in run.frames}) for run in replay.decode()]
    assert sizes == [[(160, 96)], [(320, 192)]]
    assert replay.text.count("#EXT-X-DISCONTINUITY") == 1
    flashes = [flash for run in replay.decode() for flash in run.flashes()]
    assert flashes[1:] == [pytest.approx(1.12 + n, abs=0.06) for n in range(11)]
    chunks = await rest(stream)
    inits = [chunk.data for chunk in chunks if not chunk.media_s]
    for init in inits:
        assert f'video/mp4; codecs="{picture_codec(init)}"' == codec
    spans = times(chunks)
    # One codec: two inits in one stream; two codecs: it ends where the second begins.
    same = len(inits) == 2
    assert spans[-1][1] == pytest.approx(14 if same else 6.1, abs=0.6)


async def test_a_lesson_that_is_deleted_ends_its_streams(tmp_path: Path) -> None:
    studio = await lesson(tmp_path, until=8)
    stream = await studio.recordings.catchup("lesson", wall_ms(7), "sound")
    following = asyncio.create_task(rest(stream))
    await asyncio.sleep(0.05)
    await studio.recordings.delete("lesson")
    await following


async def test_a_reader_that_takes_nothing_holds_a_few_kilobytes_and_delays_nobody(tmp_path: Path) -> None:
    studio = await lesson(tmp_path, until=8)
    slow = await studio.recordings.catchup("lesson", 0, "picture")
    await slow.next()
    await slow.next()
    await studio.run(30)
    quick = await studio.recordings.catchup("lesson", 0, "sound")
    following = asyncio.create_task(rest(quick))
    await studio.recordings.finish("lesson")
    assert times(await following)[-1][1] == pytest.approx(30, abs=0.05)
    assert sum(len(chunk.data) for chunk in slow._ready) <= reading.VISIT_BYTES + 4096
    # And it gets all of it later.
    assert times(await rest(slow))[-1][1] == pytest.approx(30, abs=0.6)


async def test_a_long_segment_is_read_a_little_at_a_time_and_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_VISIT_PIECES", 3)
    monkeypatch.setattr(reading, "VISIT_BYTES", 2000)
    studio = await lesson(tmp_path, until=20)
    streams = [
        await studio.recordings.catchup("lesson", wall_ms(at), rendition)
        for at in (0.0, 9.9)
        for rendition in ("sound", "picture")
    ]
    await studio.recordings.finish("lesson")
    for stream in streams:
        spans = times(await rest(stream))
        assert spans[0][0] == pytest.approx(stream.starts_at_s, abs=0.001)
        assert all(before[1] == after[0] for before, after in itertools.pairwise(spans))
        assert spans[-1][1] == pytest.approx(20, abs=0.6)


async def test_a_damaged_file_is_an_error_and_not_an_end(tmp_path: Path) -> None:
    studio = await lesson(tmp_path, until=16)
    stream = await studio.recordings.catchup("lesson", 0, "sound")
    await studio.recordings.finish("lesson")
    for path in (tmp_path / "lesson").glob("main-0*.m4s"):
        path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(OSError, match="damaged"):
        await rest(stream)


async def test_a_disk_that_refuses_ends_the_stream_and_the_next_part_is_streamed(tmp_path: Path) -> None:
    disk = FailingDisk()
    studio = Studio(tmp_path, disk=disk)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(30), begin=0.5)
    await studio.run(8)
    stream = await studio.recordings.catchup("lesson", 0, "sound")
    disk.refuses = True
    await studio.run(10)
    await studio.settle()
    assert studio.recordings.status("lesson").state == "paused"
    assert times(await rest(stream))[-1][1] == pytest.approx(8, abs=1.1)
    disk.refuses = False
    await studio.run(25)
    again = await studio.recordings.catchup("lesson", wall_ms(9.0), "sound")
    assert again.part.began_at_ms > wall_ms(10)
    await studio.recordings.finish("lesson")
    assert len(played(await rest(again)).tones()) >= 8


class FailingDisk(NoSyncDisk):
    """Refuses to write when it is told to."""

    refuses = False

    def write(self, file: int, data: bytes) -> None:
        if self.refuses:
            raise OSError(5, "the disk is gone")
        super().write(file, data)
