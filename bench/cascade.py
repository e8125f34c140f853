"""What another node costs the owner of a lesson, and what the second hop adds: `python -m bench.cascade`.

Two processes, each a media plane with its endpoint and no more: the owner, to which one publisher sends, and a node
that pulls the lesson from it. First N subscribers sit at the owner, then the same N at the node. The HTTP between the
nodes is a bare handler here: what is measured is the media.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
from aiohttp import web

from bench.adapters import Adapter, free_port
from bench.generator import Child, publish, subscribe
from bench.measure import Meter, latencies, percentile
from bench.peer import HOST, PROFILES, Peer
from liveclass.errors import PeerError
from liveclass.relay.cascade import Cascade
from liveclass.relay.plane import Plane, PlaneOptions
from liveclass.relay.ports import Person
from liveclass.transport.dtls import Identity
from liveclass.transport.endpoint import Endpoint

LESSON = "L"
SDP = "application/sdp"


class Silent:
    """A listener that has no use for what it is told."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


async def node(port: int, above: str, conn: Connection) -> None:
    """A node's media, with handlers for offers.

    Args:
        above: where it pulls the lesson from; empty for the owner.
    """
    endpoint = Endpoint(Identity.generate(time.time()), timeout_s=30, max_sessions=2000, public=[HOST])
    await endpoint.open(HOST, 0)
    plane = Plane(endpoint, Silent(), PlaneOptions())
    http = aiohttp.ClientSession()

    async def ask(offer: str) -> str:
        async with http.post(f"{above}/internal/whep", data=offer) as answer:
            if answer.status != 201:
                raise PeerError("refused", status=answer.status)
            return await answer.text()

    cascade = Cascade(plane)
    count = 0

    async def take(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        offer = await request.text()
        match request.path:
            case "/whip":
                answer = plane.publish(LESSON, Person("t", "teacher", "t", lead=True), offer, HOST)
            case "/internal/whep":
                answer = plane.feed(LESSON, "node", offer, HOST)
            case _:
                if above:
                    cascade.pull(LESSON, ask)
                answer = plane.subscribe(LESSON, Person(f"c{count}", "classroom", "c"), offer, HOST)
        return web.Response(text=answer.sdp, status=201, content_type=SDP)

    app = web.Application()
    for path in ("/whip", "/whep", "/internal/whep"):
        app.router.add_post(path, take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    conn.send("ready")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(conn.fileno(), stop.set)
    await stop.wait()
    asyncio.get_running_loop().remove_reader(conn.fileno())
    await cascade.close()
    plane.close_lesson(LESSON, "shutdown")
    await http.close()
    await runner.cleanup()
    endpoint.close()


class TwoNodes(Adapter):
    """The publisher goes to one port, the subscribers to another."""

    def __init__(self, args: argparse.Namespace, whip: int, whep: int) -> None:
        super().__init__(args)
        self.whip, self.whep = whip, whep

    async def publish(self, peer: Peer) -> None:
        peer.accept(await self._post(self.whip, "whip", peer.offer("sendonly")))
        await peer.connect()

    async def subscribe(self, peer: Peer) -> None:
        peer.accept(await self._post(self.whep, "whep", peer.offer("recvonly")))
        await peer.connect()

    async def _post(self, port: int, path: str, offer: str) -> str:
        async with self.http.post(f"http://{HOST}:{port}/{path}", data=offer) as answer:
            text = await answer.text()
            if answer.status != 201:
                raise RuntimeError(f"{answer.status} {text}")
            return text


def start(port: int, above: str) -> tuple[Any, Connection]:
    """A node as a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=lambda: asyncio.run(node(port, above, theirs)), daemon=True
    )
    process.start()
    if not ours.poll(30) or ours.recv() != "ready":
        raise RuntimeError("a node did not start")
    return process, ours


def run(args: argparse.Namespace, n: int, *, far: bool) -> dict[str, Any]:
    """One publisher at the owner, `n` subscribers at the other node (`far`) or at the owner too."""
    ports = free_port(), free_port()
    nodes = [start(ports[0], "")]
    if far:
        nodes.append(start(ports[1], f"http://{HOST}:{ports[0]}"))
    adapter = TwoNodes(args, ports[0], ports[1] if far else ports[0])
    publisher = Child(publish, adapter, args)
    children = [publisher]
    try:
        publisher.get()
        time.sleep(args.settle)
        subscribers = Child(subscribe, adapter, args, n)
        children.append(subscribers)
        joins, failures = subscribers.get(60 + 5 * n)
        time.sleep(args.settle)
        _, before = subscribers.ask("mark")
        meter = Meter([process.pid for process, _ in nodes])
        time.sleep(args.seconds)
        load = meter.read()
        _, after = subscribers.ask("mark")
        samples, checks = subscribers.ask("stop")
        _, stamps, _ = publisher.ask("stop")
        late = [v for arrivals in samples for v in latencies(arrivals, stamps, load.since_ns, load.until_ns)]
        packets = _packets(after) - _packets(before)
        return {
            "where": "node" if far else "owner",
            "subscribers": n,
            "joined": len(joins),
            "failures": failures[:2],
            "delivered_pps": round(packets / load.seconds, 1),
            "owner_cpu_ms_s": round(1000 * load.cores[0], 1),
            "node_cpu_ms_s": round(1000 * load.cores[1], 1) if far else None,
            "us_per_packet": round(1e6 * load.cores[-1] * load.seconds / max(1, packets), 2),
            "latency_p50_ms": percentile(late, 50),
            "latency_p95_ms": percentile(late, 95),
            "others_cpu": round(load.others, 2),
            "check_failed": checks.failed,
        }
    finally:
        for child in children:
            if child.process.is_alive():
                child.process.terminate()
            child.end()
        for process, conn in nodes:
            conn.send("stop")
            process.join(10)
            if process.is_alive():
                process.kill()


def _packets(counters: Sequence[dict[str | None, tuple[int, int, int, int]]]) -> int:
    return sum(streams[0] for peer in counters for streams in peer.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", default="1,25,50", help="subscribers, several after another")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--settle", type=float, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--codec", default="h264")
    parser.add_argument("--srtp", default="cm80", choices=list(PROFILES))
    args = parser.parse_args()
    args.parallel, args.feedback, args.bitrate = 4, False, 10_000_000
    args.whole, args.look, args.report = False, 0.02, 1.0
    for n in map(int, args.n.split(",")):
        for far in (False, True):
            results = [run(args, n, far=far) for _ in range(args.repeat)]
            numbers = [key for key, value in results[0].items() if isinstance(value, int | float)]
            middle = {key: statistics.median(r[key] for r in results if r[key] is not None) for key in numbers}
            print(json.dumps(results[0] | middle | {"cores": os.cpu_count()}), flush=True)


if __name__ == "__main__":
    main()
