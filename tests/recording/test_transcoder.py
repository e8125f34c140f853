"""VP8 becomes H264 in a child process: times and keyframes stay, and a child that dies costs a moment, not a lesson."""

import asyncio
import io
import itertools
import os
import sys
import time
from pathlib import Path

import pytest

from liveclass.recording import transcode
from liveclass.recording.framing import HEADER, MAX_FRAME_BYTES, pack_frame, read_header
from liveclass.recording.transcoder import MAX_WAITING_BYTES, ChildTranscoder, child_command
from tests.recording import media
from tests.recording.studio import Studio

Output = list[tuple[float, bytes, bool]]


def run_child(codec: str, data: bytes) -> Output:
    """The child's work, in this process."""
    target = io.BytesIO()
    transcode.run(codec, io.BytesIO(data), target)
    return unpack(target.getvalue())


def unpack(data: bytes) -> Output:
    out: Output = []
    position = 0
    while position < len(data):
        at, keyframe, size = read_header(data[position : position + HEADER.size])
        position += HEADER.size
        out.append((at, data[position : position + size], keyframe))
        position += size
    return out


def test_every_picture_comes_out_once_with_its_time_and_keyframes_stay() -> None:
    units = media.pictures("VP8", 6)
    out = run_child("VP8", b"".join(pack_frame(unit.at + 1000.25, unit.data, unit.keyframe) for unit in units))
    assert [at for at, _, _ in out] == [unit.at + 1000.25 for unit in units]
    assert [keyframe for _, _, keyframe in out] == [unit.keyframe for unit in units]


def test_a_damaged_picture_costs_itself_only() -> None:
    units = media.pictures("VP8", 4)
    frames = [pack_frame(unit.at, unit.data, unit.keyframe) for unit in units]
    frames[10] = pack_frame(units[10].at, b"", False)
    frames[11] = pack_frame(units[11].at, b"\xff" * 50, True)
    out = run_child("VP8", b"".join(frames))
    assert len(out) >= len(units) - 4
    assert out[-1][0] == units[-1].at


def test_a_new_resolution_gets_a_new_encoder_and_a_keyframe() -> None:
    small, large = media.pictures("VP8", 1), media.pictures("VP8", 1, size=(320, 192))
    out = run_child("VP8", b"".join(pack_frame(i / 20, u.data, u.keyframe) for i, u in enumerate([*small, *large])))
    assert [at for at, _, keyframe in out if keyframe] == [0.0, 1.0]


@pytest.mark.parametrize("cut", [0, 1, HEADER.size - 1, HEADER.size, HEADER.size + 5])
def test_input_that_ends_anywhere_ends_the_child(cut: int) -> None:
    unit = media.pictures("VP8", 1)[0]
    assert run_child("VP8", pack_frame(0.0, unit.data, True)[:cut]) == []


def test_an_impossible_size_is_refused() -> None:
    with pytest.raises(ValueError):
        read_header(HEADER.pack(MAX_FRAME_BYTES + 1, 0.0, False))


class Collector:
    def __init__(self) -> None:
        self.out: Output = []
        self.more = asyncio.Event()

    def __call__(self, at: float, data: bytes, keyframe: bool) -> None:
        self.out.append((at, data, keyframe))
        self.more.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.out) < count:
                self.more.clear()
                await self.more.wait()


async def test_the_child_is_nice_and_ends_with_its_input() -> None:
    collector = Collector()
    child = ChildTranscoder("VP8", collector, child_command(), time.monotonic)
    units = media.pictures("VP8", 2)
    for unit in units:
        child.push(unit.at, unit.data, unit.keyframe)
    await collector.until(1)
    assert child._process is not None
    process = child._process
    assert os.getpriority(os.PRIO_PROCESS, process.pid) >= 10
    child.finish()
    await asyncio.wait_for(child.drained(), 10)
    assert len(collector.out) == len(units)
    assert process.returncode == 0


async def test_a_child_that_dies_is_started_again_at_a_keyframe() -> None:
    collector = Collector()
    now = 0.0
    child = ChildTranscoder("VP8", collector, child_command(), lambda: now)
    first, second = media.pictures("VP8", 2)[:20], media.pictures("VP8", 4)[40:]
    for unit in first:
        child.push(unit.at, unit.data, unit.keyframe)
    await collector.until(len(first))
    assert child._process is not None
    child._process.kill()
    await asyncio.wait_for(child.drained(), 10)
    assert child.wants_keyframe()
    assert not child.wants_keyframe()
    # Not at once: an encoder that cannot run must not be started in a loop.
    child.push(second[0].at, second[0].data, True)
    assert child._task is None
    now = 1.0
    child.push(second[1].at, second[1].data, False)
    assert child._task is None
    child.push(second[0].at, second[0].data, True)
    for unit in second[1:]:
        child.push(unit.at, unit.data, unit.keyframe)
    await collector.until(len(first) + len(second))
    assert collector.out[len(first)][2]
    child.kill()
    await child.drained()


async def test_what_waits_for_a_slow_child_is_bounded() -> None:
    child = ChildTranscoder("VP8", Collector(), (sys.executable, "-c", "import time; time.sleep(60)"), time.monotonic)
    data = bytes(50_000)
    child.push(0.0, data, True)
    for index in range(200):
        child.push(index / 10, data, False)
        if index == 100:
            await asyncio.sleep(0.05)
    process = child._process
    waiting = child._early_bytes
    if process is not None and process.stdin is not None:
        waiting += process.stdin.transport.get_write_buffer_size()
    assert waiting <= MAX_WAITING_BYTES
    assert child.wants_keyframe()
    child.kill()
    await child.drained()
    assert process is None or process.returncode is not None


async def test_a_child_that_cannot_be_started_changes_nothing_else() -> None:
    child = ChildTranscoder("VP8", Collector(), ("/nonexistent/python",), time.monotonic)
    child.push(0.0, b"x", True)
    await child.drained()
    assert child.wants_keyframe()


def test_the_child_refuses_codecs_it_cannot_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["transcode", "H265"])
    assert transcode.main() == 2


async def test_a_publisher_that_can_only_send_vp8_is_recorded_in_the_same_replay(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await studio.begin()
    studio.publish("microphone", "opus", media.sound(10), begin=0.5)
    studio.publish("camera", "VP8", media.pictures("VP8", 10), begin=0.5, remove=False)
    # The child works in real time while the lesson is virtual: let it keep up, as it does in life.
    for until in range(1, 22):
        await studio.run(until / 2)
        await asyncio.sleep(0.6 if until == 2 else 0.05)
    await studio.recordings.finish("lesson")
    decoded = studio.replay().decode()
    assert "avc1" in (tmp_path / "lesson" / "main-init-1.mp4").read_bytes().decode("latin1")
    flashes = [flash for run in decoded for flash in run.flashes()]
    assert len(flashes) >= 8
    tones = [tone for run in decoded for tone, _ in run.tones()]
    for flash in flashes[1:]:
        assert min(abs(flash - tone) for tone in tones) <= 0.08
    ends = [run.end_s for run in decoded]
    assert all(b > a for a, b in itertools.pairwise(ends))
    assert len(flashes) == len({round(flash) for flash in flashes})
    await studio.recordings.close()
