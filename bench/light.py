"""`python -m bench.light`: what a light replay weighs, what it costs to make, and how soon it sounds on a thin link.

A lesson of speech is recorded in virtual time and made light by the server's own child process. Then a real server
offers it, and a browser behind an emulated link opens the replay; without root that part is left out, and says so.
"""

import argparse
import asyncio
import itertools
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.e2e import programme
from tests.e2e.browser import Devices, person
from tests.e2e.client import publishing
from tests.e2e.server import Lesson, LiveServer
from tests.e2e.waiting import until
from tests.links import BadLink, why_not
from tests.recording import media
from tests.recording.media import Unit
from tests.recording.studio import Studio

from liveclass.recording.lightener import lighten_command
from liveclass.recording.model import RecordingOptions

LOOP_S = 60
PAGE_MS = 60_000

PRESS_WHEN_READY = """() => new Promise((done) => {
  const look = () => {
    const button = document.querySelector("[data-test=big-play]");
    const main = document.querySelector("[data-test=main]");
    if (button && main) {
      const ready = performance.now();
      button.click();
      const listen = () => {
        if (main.currentTime > 0.05 && !main.paused && main.readyState >= 3) {
          done([ready, performance.now() - main.currentTime * 1000]);
        } else setTimeout(listen, 10);
      };
      listen();
    } else setTimeout(look, 10);
  };
  look();
})"""
"""Milliseconds from asking for the page: until it can be played, and until the first sound plays."""


def looped(seconds: int) -> Iterator[Unit]:
    speech = media.speech(min(LOOP_S, seconds))
    for at in itertools.count(0, len(speech)):
        for index, unit in enumerate(speech):
            if (at + index) * 0.02 >= seconds:
                return
            yield Unit((at + index) * 0.02, unit.data, True)


async def record(root: Path, seconds: int) -> Path:
    """The folder of a finished recording of speech."""
    studio = Studio(root, RecordingOptions(disk_floor_bytes=0, light=False))
    await studio.begin()
    studio.publish("microphone", "opus", looped(seconds))
    await studio.run(seconds)
    await studio.recordings.finish("lesson")
    await studio.recordings.close()
    return root / "lesson"


def weigh(folder: Path, seconds: int) -> None:
    """Make the recording light and print what that took and gave."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [*lighten_command(), str(folder), "0"]
    # The child ends with its input.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        made = child.stdout.read()
    if child.returncode:
        raise RuntimeError(f"the child failed: {child.returncode}, {made!r}")
    took_s = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    size = sum((folder / name).stat().st_size for name in ("light.mp4", "light.m3u8"))
    print(
        f"{seconds / 60:g} min of speech: {size / 1e6:.2f} MB, {8 * size / seconds / 1000:.1f} kbit/s; "
        f"made in {took_s:.1f} s, {cpu_s:.1f} s of processor, {after.ru_maxrss / 1024:.0f} MB of memory"
    )


async def teach(data_dir: Path) -> Lesson:
    """A short lesson that has ended, for the long recording to take its place."""
    server = LiveServer(data_dir)
    await server.start()
    try:
        lesson = await server.create_lesson()
        async with publishing(lesson.whip_url, lesson.teacher_token, programme.encode(6, 4)) as client:
            await asyncio.wait_for(client.clock.over.wait(), 30)
            await client.delete()
        await server.api("POST", f"/api/lessons/{lesson.id}/end")
    finally:
        await server.stop()
    return lesson


async def listen(url: str, profile: str) -> tuple[float, float]:
    """Open the replay behind the link with an empty cache; seconds until it can be pressed, and until it sounds."""
    async with BadLink(profile) as link, person("viewer", Devices(autoplay=True), wrap=link.wrapper) as viewer:
        await viewer.context.add_init_script("localStorage.setItem('liveclass.replay.light', 'on')")
        page = await viewer.context.new_page()
        await page.goto(url.format(link.server_address), wait_until="commit", timeout=PAGE_MS)
        ready, sounds = await page.evaluate(PRESS_WHEN_READY)
    return ready / 1000, sounds / 1000


async def first_sound(recording: Path, folder: Path, profile: str, repeat: int) -> None:
    lesson = await teach(folder / "data")
    shutil.rmtree(folder / "data" / "recordings" / lesson.id)
    shutil.copytree(recording, folder / "data" / "recordings" / lesson.id)
    server = LiveServer(folder / "data", {"host": "0.0.0.0"})  # noqa: S104 - behind the link is not loopback

    async def made() -> bool:
        return (await server.replay(lesson))["light"] is not None

    await server.start()
    try:
        await until(made, "the light replay is made", within=300)
        fragment = lesson.replay_url[lesson.replay_url.index("/replay/") :]
        runs = [await listen(f"http://{{}}:{server.port}{fragment}", profile) for _ in range(repeat)]
    finally:
        await server.stop()
    ready, sounds = (statistics.median(run[index] for run in runs) for index in range(2))
    waits = [sound - at for at, sound in runs]
    print(
        f"{profile}, medians of {repeat}: playable {ready:.2f} s after the page was asked for; pressed at once, "
        f"it sounds {statistics.median(waits):.2f} s later ({max(waits):.2f} s at most), {sounds:.2f} s in all"
    )


async def measure(minutes: float, profile: str, repeat: int) -> None:
    seconds = round(minutes * 60)
    with tempfile.TemporaryDirectory(prefix="liveclass-light-") as name:
        recording = await record(Path(name) / "studio", seconds)
        weigh(recording, seconds)
        reason = why_not()
        if reason:
            print(f"first sound was not measured: {reason}")
        else:
            await first_sound(recording, Path(name), profile, repeat)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.light", description=__doc__)
    parser.add_argument("--minutes", type=float, default=40, help="length of the lesson (40)")
    parser.add_argument("--profile", default="rural-dsl", help="the link (rural-dsl)")
    parser.add_argument("--repeat", type=int, default=3, help="how often the replay is opened (3)")
    given = parser.parse_args()
    asyncio.run(measure(given.minutes, given.profile, given.repeat))


if __name__ == "__main__":
    main()
