"""A lesson in virtual time: publishers whose clocks drift and whose networks lose, a recorder, its replay read back."""

import asyncio
import re
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from pathlib import Path
from typing import Literal

from liveclass.recording.disk import Disk
from liveclass.recording.model import RecordingOptions, RecordingStatus
from liveclass.recording.service import Recordings
from liveclass.relay.source import Sink, SourceInfo, SourceKind
from liveclass.rtp.codec import Codec, CodecName
from tests.recording.media import Decoded, Unit, decode, payloads

NTP_AT_ZERO = 3_900_000_000.0
WALL_AT_ZERO = 1_700_000_000.0


class NoSyncDisk(Disk):
    """For long virtual lessons: the kernel's promise is enough."""

    def sync(self, file: int) -> None:
        """Nothing."""

    def sync_folder(self, path: Path) -> None:
        """Nothing."""


class Source:
    """A publisher's source, as the relay hands it to a sink."""

    def __init__(self, info: SourceInfo) -> None:
        self.info = info
        self.asked: list[float] = []

    def request_keyframe(self, now: float) -> None:
        self.asked.append(now)


class Studio:
    """Virtual time, in seconds from zero; `run` plays what was scheduled and ticks the recorder every 0.1 s."""

    def __init__(self, root: Path, options: RecordingOptions | None = None, disk: Disk | None = None) -> None:
        self.root = root
        self.options = options or RecordingOptions(disk_floor_bytes=0)
        self.disk = disk or NoSyncDisk()
        self.now = 0.0
        self.changes: list[tuple[str, RecordingStatus]] = []
        self.recordings = self.new_recordings()
        self.sink: Sink | None = None
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def new_recordings(self) -> Recordings:
        return Recordings(
            self.root, self.options, lambda lesson, status: self.changes.append((lesson, status)), disk=self.disk
        )

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Schedule."""
        self._count += 1
        heappush(self._events, (when, self._count, do))

    async def begin(self, lesson: str = "lesson") -> Sink:
        """Start the service if need be, and record."""
        await self.recordings.start()
        return self.join(lesson)

    def join(self, lesson: str = "lesson") -> Sink:
        self.sink = self.recordings.begin(lesson, self.now, WALL_AT_ZERO + self.now)
        return self.sink

    async def settle(self) -> None:
        """Let the writer finish what it has."""
        while self.recordings._writer.waiting_jobs:
            await self.recordings._writer.perform(None, lambda: None)

    async def run(self, until: float, *, settle_s: float = 1.0) -> None:
        """Play until this time; the writer keeps up with every `settle_s` of it (0: never waited for)."""
        next_settle = self.now
        while self.now < until:
            tick = min(self.now + 0.1, until)
            while self._events and self._events[0][0] <= tick:
                when, _, do = heappop(self._events)
                self.now = max(self.now, when)
                do()
            self.now = tick
            self.recordings.tick(tick)
            if settle_s and tick >= next_settle:
                next_settle += settle_s
                await self.settle()
            else:
                await asyncio.sleep(0)

    def publish(
        self,
        kind: SourceKind,
        codec: CodecName,
        units: Iterable[Unit],
        *,
        begin: float = 0.0,
        end: float | None = None,
        delay: Callable[[float], float] = lambda at: 0.02,
        lost: Callable[[int], float | None] = lambda seq: 0.0,
        drift: float = 0.0,
        participant: str = "teacher-1",
        role: Literal["teacher", "classroom"] = "teacher",
        name: str = "Li",
        rendition: Literal["main", "low"] = "main",
        source_id: str = "",
        remove: bool = True,
        report_s: float = 2.0,
        ntp_offset: Callable[[float], float] = lambda at: 0.0,
        first_seq: int = 65_000,
        first_timestamp: int = 0xFFFF_0000,
    ) -> Source:
        """Schedule a source: units are sampled at `begin + unit.at` of true time.

        Args:
            end: when the source ends; the units after it are not sent.
            delay: network delay by the time of sending.
            lost: for a packet number: 0 arrives, None is lost for good, seconds: arrives that much late.
            drift: how much faster the source's clock runs than true time.
            ntp_offset: error of the publisher's wall clock by time.
        """
        source = Source(
            SourceInfo(
                source_id or f"{participant}-{kind}-{rendition}-{begin}",
                participant,
                role,
                name,
                kind,
                Codec(codec),
                rendition,
            )
        )
        rate = source.info.codec.clock_rate

        def timestamp(at: float) -> int:
            return (first_timestamp + round((at - begin) * (1 + drift) * rate)) & 0xFFFFFFFF

        def add() -> None:
            if self.sink is not None:
                self.sink.source_added(source, self.now)

        def send(seq: int, stamp: int, marker: bool, payload: bytes) -> Callable[[], None]:
            def do() -> None:
                if self.sink is not None:
                    self.sink.packet(source, seq, stamp, marker, payload, self.now)

            return do

        def report(at: float) -> Callable[[], None]:
            def do() -> None:
                if self.sink is not None:
                    self.sink.sender_report(source, NTP_AT_ZERO + at + ntp_offset(at), timestamp(at), self.now)

            return do

        self.at(begin, add)
        seq = first_seq
        last = begin
        next_report = begin + report_s / 2
        for unit in units:
            at = begin + unit.at
            if end is not None and at >= end:
                break
            last = at
            if at >= next_report:
                self.at(at + delay(at), report(at))
                next_report += report_s
            chunks = payloads(codec, unit)
            for index, payload in enumerate(chunks):
                late = lost(seq - first_seq)
                if late is not None:
                    marker = index == len(chunks) - 1
                    self.at(at + delay(at) + late, send(seq, timestamp(at), marker, payload))
                seq += 1
        if remove:
            gone = end if end is not None else last + 0.5

            def take_away() -> None:
                if self.sink is not None:
                    self.sink.source_removed(source, self.now)

            self.at(gone + delay(gone), take_away)
        return source

    # The replay

    def playlist(self, name: str = "main.m3u8", lesson: str = "lesson") -> str:
        found = self.recordings.locate(lesson, name)
        assert found.data is not None
        return found.data.decode()

    def replay(self, name: str = "main.m3u8", lesson: str = "lesson") -> "Replay":
        return Replay(self.playlist(name, lesson), self.root / lesson)


class Replay:
    """A playlist as a player reads it: runs of segments under one initialisation segment."""

    def __init__(self, text: str, folder: Path) -> None:
        self.text = text
        self.folder = folder
        self.segments: list[tuple[str, str, float, bool]] = []
        init, discontinuity = "", False
        duration = 0.0
        for line in text.splitlines():
            if line.startswith("#EXT-X-MAP"):
                found = re.search(r'URI="([^"]+)"', line)
                assert found is not None
                init = found[1]
            elif line == "#EXT-X-DISCONTINUITY":
                discontinuity = True
            elif line.startswith("#EXTINF:"):
                duration = float(line[8:].rstrip(","))
            elif line and not line.startswith("#"):
                assert duration > 0
                self.segments.append((init, line, duration, discontinuity))
                discontinuity = False

    @property
    def complete(self) -> bool:
        return self.text.rstrip().endswith("#EXT-X-ENDLIST")

    @property
    def duration_s(self) -> float:
        return sum(duration for _, _, duration, _ in self.segments)

    def runs(self) -> list[list[tuple[str, str, float, bool]]]:
        runs: list[list[tuple[str, str, float, bool]]] = []
        for segment in self.segments:
            if not runs or segment[3] or segment[0] != runs[-1][-1][0]:
                runs.append([])
            runs[-1].append(segment)
        return runs

    def decode(self, segments: Iterable[tuple[str, str, float, bool]] | None = None) -> list[Decoded]:
        """Decode run by run, as a player does across discontinuities."""
        runs = self.runs() if segments is None else [list(segments)]
        return [
            decode(
                (self.folder / run[0][0]).read_bytes()
                + b"".join((self.folder / name).read_bytes() for _, name, _, _ in run)
            )
            for run in runs
        ]
