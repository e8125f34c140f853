"""The parent's end of a transcoding child: pictures of one source out, H264 back, times kept.

A child because a native decoder that reads a peer's media may crash or be taken over: then a source stands still for a
second, and the server does not. The child is started with the first keyframe, restarted when it dies, never waited for.
"""

import asyncio
import logging
import sys
from collections.abc import Callable

from liveclass.recording.framing import HEADER, pack_frame, read_header
from liveclass.recording.recorder import PictureSink
from liveclass.rtp.codec import CodecName

log = logging.getLogger(__name__)

# What may wait for a slow child: some seconds of a 1 Mbit/s picture. Beyond it pictures are dropped up to a keyframe.
MAX_WAITING_BYTES = 1 << 20
# A child that dies at once (no encoder, no memory) is not started in a tight loop.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0

_END_S = 2.0  # a child whose input is closed has at most a second of pictures left to encode

Command = tuple[str, ...]


def child_command() -> Command:
    """How the child is started."""
    return (sys.executable, "-m", "liveclass.recording.transcode")


class ChildTranscoder:
    """Transcodes one source (a `recorder.Transcoder`).

    Args:
        codec: of the pictures that go in.
        sink: takes what comes out, on the event loop.
        command: starts the child.
        clock: seconds of a monotonic clock, for the pauses between starts.
    """

    def __init__(self, codec: CodecName, sink: PictureSink, command: Command, clock: Callable[[], float]) -> None:
        self._codec = codec
        self._sink = sink
        self._command = command
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._needs_keyframe = True
        self._ask = False
        self._finished = False
        self._pause_s = _FIRST_PAUSE_S
        self._not_before = 0.0

    def push(self, at: float, data: bytes, keyframe: bool) -> None:
        """One picture sampled at `at` seconds."""
        if self._finished:
            return
        if self._needs_keyframe and not keyframe:
            self._ask = True
            return
        if self._task is None:
            if self._clock() < self._not_before:
                self._ask = True
                return
            self._task = asyncio.get_running_loop().create_task(self._run())
        frame = pack_frame(at, data, keyframe)
        if not self._write(frame):
            # The child is behind; what it has it shall finish, then go on at a keyframe.
            self._needs_keyframe = self._ask = True
            return
        self._needs_keyframe = False

    def wants_keyframe(self) -> bool:
        """True once after pictures were lost and a keyframe is needed to go on."""
        ask, self._ask = self._ask, False
        return ask

    def finish(self) -> None:
        """No more input; what is inside still comes out."""
        self._finished = True
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()

    async def drained(self) -> None:
        """Wait until everything has come out."""
        if self._task is not None:
            await asyncio.wait({self._task})

    def kill(self) -> None:
        """End at once; nothing comes out any more."""
        self._finished = True
        if self._task is not None:
            self._task.cancel()

    def _write(self, frame: bytes) -> bool:
        process = self._process
        if process is None or process.stdin is None:
            # The child is being started.
            if self._early_bytes + len(frame) > MAX_WAITING_BYTES:
                return False
            self._early.append(frame)
            self._early_bytes += len(frame)
            return True
        if process.stdin.transport.get_write_buffer_size() + len(frame) > MAX_WAITING_BYTES:
            return False
        process.stdin.write(frame)
        return True

    async def _run(self) -> None:
        process: asyncio.subprocess.Process | None = None
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, self._codec, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            stdin, stdout = process.stdin, process.stdout
            if stdin is None or stdout is None:
                return
            self._process = process
            for frame in self._early:
                stdin.write(frame)
            self._forget_early()
            if self._finished:
                stdin.close()
            while True:
                at, keyframe, size = read_header(await stdout.readexactly(HEADER.size))
                data = await stdout.readexactly(size)
                self._pause_s = _FIRST_PAUSE_S
                self._sink(at, data, keyframe)
        except (asyncio.IncompleteReadError, ValueError, OSError) as error:
            if not self._finished:
                log.warning("a transcoder ended (%s); it is started again", type(error).__name__)
        finally:
            self._process = None
            self._task = None
            self._forget_early()
            self._needs_keyframe = self._ask = True
            self._not_before = self._clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            if process is not None:
                await _end(process)

    def _forget_early(self) -> None:
        self._early.clear()
        self._early_bytes = 0


async def _end(process: asyncio.subprocess.Process) -> None:
    """Wait for a child whose output has ended; one that stays is killed.

    Killing at once would race with its own end: `kill` collects the exit status, and asyncio then reports 255.
    """
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _END_S)
    except TimeoutError:
        process.kill()
        await process.wait()
