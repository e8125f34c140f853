"""A process that records a lesson in real time until somebody kills it: `python -m tests.recording.victim FOLDER`."""

import asyncio
import sys
import time
from pathlib import Path

from liveclass.recording.disk import Disk
from liveclass.recording.model import RecordingOptions
from tests.recording import media
from tests.recording.studio import Studio


async def main(root: Path) -> None:
    """Record for ever."""
    sound, pictures = media.sound(8), media.pictures("H264", 8)
    studio = Studio(root, RecordingOptions(disk_floor_bytes=0, segment_s=2.0), Disk())
    await studio.begin()
    studio.publish("microphone", "opus", sound)
    studio.publish("camera", "H264", pictures)
    print("recording", flush=True)
    began = time.monotonic()
    while True:
        await studio.run(max(time.monotonic() - began, 0.001), settle_s=0)
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
