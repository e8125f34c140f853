"""The load generator: a publisher's process and a subscribers' process, driven over pipes.

Knows peers and what they count; refuses to know which server stands between them.
"""

import argparse
import asyncio
import gc
import multiprocessing
import random
import signal
import struct
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from aiortc import rtp

from bench import clip
from bench.adapters import Adapter
from bench.peer import PROFILES, Peer, Sink, context
from bench.wire import Checks


async def publish(adapter: Adapter, conn: Connection, args: argparse.Namespace) -> None:
    """Sends the clip in real time; at the end hands over when each packet and frame was sent."""
    frames, opus = clip.load(args.codec)
    peer = Peer(args.srtp, host=adapter.host, codec=args.codec)
    await adapter.open()
    await adapter.publish(peer)
    conn.send(peer.profile.openssl_profile.decode())
    rng = random.Random(1)
    sent: list[int] = []
    stamps: list[tuple[int, int]] = []  # times of all packets; (RTP timestamp, time) of each video frame's last packet
    counts = {"audio": [0, 0], "video": [0, 0]}
    seqs = {"audio": rng.randrange(2**15), "video": rng.randrange(2**15)}
    pts = {m["kind"]: m["pt"] for m in peer.remote["media"]}
    times = {"audio": rng.randrange(2**31), "video": rng.randrange(2**31)}

    def send(kind: str, payload: bytes, marker: int) -> None:
        header = struct.pack("!BBHII", 0x80, marker << 7 | pts[kind], seqs[kind], times[kind], peer.ssrcs[kind])
        data = peer.tx.protect(header + payload)
        sent.append(time.time_ns())
        peer._send(data)
        seqs[kind] = (seqs[kind] + 1) & 0xFFFF
        counts[kind][0] += 1
        counts[kind][1] += len(payload)

    start = time.monotonic()
    frame = packet = seconds = 0
    while not conn.poll():
        now = time.monotonic() - start
        if now >= frame / clip.FPS:
            payloads = frames[frame % len(frames)]
            for i, payload in enumerate(payloads):
                send("video", payload, i == len(payloads) - 1)
            stamps.append((times["video"], sent[-1]))
            # irregular steps make the sequence of timestamps recognisable behind any offset
            times["video"] = (times["video"] + 3000 + rng.randint(-300, 300)) & 0xFFFFFFFF
            frame += 1
        if now >= packet / 50:
            send("audio", opus[packet % len(opus)], 0)
            times["audio"] = (times["audio"] + 960) & 0xFFFFFFFF
            packet += 1
        if now >= seconds:
            seconds += 1
            ntp = int((time.time() + 2208988800) * 2**32)
            peer.send_rtcp(
                [rtp.RtcpSrPacket(peer.ssrcs[k], rtp.RtcpSenderInfo(ntp, times[k], *counts[k])) for k in counts]
            )
            if seconds % 4 == 0:
                peer.check()
        ahead = min(frame / clip.FPS, packet / 50) - (time.monotonic() - start)
        await asyncio.sleep(max(ahead, 0))
    conn.recv()
    conn.send((sent, stamps, peer.closed))
    peer.close()
    await adapter.close()


async def subscribe(adapter: Adapter, conn: Connection, args: argparse.Namespace, n: int) -> None:
    """Joins n subscribers, then counts what they get.

    Answers over the pipe: first, and after each ("more", k), the times that it took to join in seconds and the
    failures; to "mark" the time in ns and the counters; to "stop" the arrivals at the sampled, and what the packets'
    checks found.
    The first subscriber and the last of each lot are sampled.
    """
    checks = Checks(await asyncio.to_thread(published, args.codec) if adapter.forwards else frozenset())
    sink = Sink(args.feedback, args.whole)
    peers: list[Peer] = []
    steady: list[Peer] = []
    await adapter.open()
    context(PROFILES[args.srtp])  # not part of the first join
    gate = asyncio.Semaphore(args.parallel)

    async def join(sampled: bool, joins: list[float], failures: list[str]) -> None:
        async with gate:
            peer = Peer(args.srtp, sampled, adapter.host, args.codec, args.feedback, checks)
            begun = time.monotonic()
            try:
                await adapter.subscribe(peer)
                await asyncio.wait_for(peer.media.wait(), 30)
            except Exception as e:
                failures.append(f"{type(e).__name__} {e}")
                peer.close()
                return
            joins.append(peer.first_media - begun)
            peer.due = begun + args.report
            peers.append(peer)
            if not sampled:
                peer.sink(args.whole)
                steady.append(peer)

    async def join_all(count: int) -> None:
        joins: list[float] = []
        failures: list[str] = []
        sampled = {count - 1} if peers else {0, count - 1}
        await asyncio.gather(*(join(i in sampled, joins, failures) for i in range(count)))
        conn.send((joins, failures))

    def mark() -> tuple[int, list[dict[str | None, tuple[int, int, int, int]]]]:
        gc.collect()
        return time.time_ns(), [
            {p.kind(pt): (s.packets, s.octets, s.markers, s.extended) for pt, s in p.streams.items()} for p in peers
        ]

    joining = asyncio.ensure_future(join_all(n))
    rounds = 0
    wanted: Any = ""
    while wanted != "stop":
        await asyncio.sleep(args.look)
        for peer in steady:
            sink.drain(peer)
        now = time.monotonic()
        for peer in peers:
            if args.feedback:
                peer.tell(now)
            if now > peer.due:
                peer.due = now + args.report
                peer.report(args.bitrate)
                if (rounds := rounds + 1) % 4 == 0:
                    peer.check()
        if conn.poll():
            wanted = conn.recv()
            if wanted == "mark":
                conn.send(mark())
            elif wanted[0] == "more":
                joining = asyncio.ensure_future(join_all(wanted[1]))
    joining.cancel()
    samples = [
        [(at, stamp) for at, pt, marker, stamp in p.arrivals if marker and p.kind(pt) == "video"]
        for p in peers
        if p.sampled
    ]
    conn.send((samples, checks))
    for peer in peers:
        peer.close()
    await adapter.close()


def published(codec: str) -> frozenset[bytes]:
    """The payloads of all packets that `publish` sends."""
    frames, opus = clip.load(codec)
    return frozenset(payload for frame in frames for payload in frame) | frozenset(opus)


class Child:
    """A process of the generator that runs a coroutine and talks by a pipe."""

    def __init__(self, function: Callable[..., Any], adapter: Adapter, *args: Any) -> None:
        self.conn, theirs = multiprocessing.Pipe()

        def run() -> None:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # how the parent ends is not how its children do
            try:
                asyncio.run(function(adapter, theirs, *args))
            except BaseException as e:
                traceback.print_exc()
                theirs.send(e if isinstance(e, Exception) else RuntimeError(repr(e)))

        self.process = multiprocessing.get_context("fork").Process(target=run, daemon=True)
        self.process.start()
        theirs.close()

    def get(self, timeout: float = 60) -> Any:
        """What the child sends next.

        Raises:
            TimeoutError: nothing came in `timeout` seconds.
            Exception: whatever ended the child.
        """
        if not self.conn.poll(timeout):
            raise TimeoutError(f"no answer in {timeout} s")
        value = self.conn.recv()
        if isinstance(value, Exception):
            raise value
        return value

    def ask(self, what: object, timeout: float = 60) -> Any:
        self.conn.send(what)
        return self.get(timeout)

    def stop(self) -> None:
        """End it, whatever it is at."""
        if self.process.is_alive():
            self.process.terminate()
        self.end()

    def end(self) -> None:
        self.process.join(10)
        if self.process.is_alive():
            self.process.kill()
        self.conn.close()
