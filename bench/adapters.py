"""How to start, publish to and subscribe from each server under test; knows their signalling, not what is measured.

An adapter is made in the main process (start, stop, pid), and inherited by the publisher's and the
subscribers' processes, which call open, publish, subscribe and close.
"""

import argparse
import asyncio
import itertools
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from bench.peer import HOST, Peer

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as s:
        s.bind((HOST, 0))
        port: int = s.getsockname()[1]
    return port


class Adapter:
    """A server under test, and how to join it."""

    own_network = False  # True: run in a network namespace, with an interface in 127/8 that is not lo
    host = HOST  # where the generator's peers have their sockets
    forwards = False  # True: what it sends has the payloads that were published
    one_thread = False  # True: all its work that counts is done by one thread

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.process: subprocess.Popen[bytes] | None = None
        self.folder: str | None = None
        self.log = ""
        self.port = free_port()

    @property
    def pid(self) -> int:
        if self.process is None:
            raise RuntimeError("the server was not started")
        return self.process.pid

    def launch(self, command: list[str], port: int | None = None, wait_s: float = 30) -> None:
        """Starts the server in the project's folder; returns when its TCP port opens.

        Raises:
            RuntimeError: it did not, or ended; with the end of its log.
        """
        self.folder = self.folder or tempfile.mkdtemp(prefix="liveclass-bench-")
        self.log = os.path.join(self.folder, "server.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=ROOT, env=self.environment()
            )
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection((HOST, port or self.port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"{command[0]} did not open its port: {self.tail()}")

    def environment(self) -> dict[str, str]:
        """Of the server's process: a user's own settings of liveclass do not belong in a measurement."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIVECLASS_")}
        return inherited | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}

    def notes(self) -> dict[str, Any]:
        """What the server itself says at the end of a run."""
        return {}

    def tail(self) -> str:
        if not self.log or not os.path.exists(self.log):
            return ""
        with open(self.log, errors="replace") as f:
            return f.read()[-1500:]

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.process = self.folder = None

    async def open(self) -> None:
        self.http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=60), connector=aiohttp.TCPConnector(limit=0)
        )

    async def publish(self, peer: Peer) -> None:
        raise NotImplementedError

    async def subscribe(self, peer: Peer) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        await self.http.close()


class Whip(Adapter):
    """Any server that speaks WHIP and WHEP: POST an SDP offer, 201 with the answer and Location."""

    whip = whep = token = ""

    def start(self) -> None:
        self.whip, self.whep, self.token = self.args.whip_url, self.args.whep_url, self.args.token or ""
        if self.args.cmd:
            url = urlsplit(self.whip)
            self.launch(["sh", "-c", "exec " + self.args.cmd], port=url.port or 80)

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else int(self.args.pid)

    async def open(self) -> None:
        await super().open()
        self.resources: list[str] = []

    def headers(self) -> dict[str, str]:
        return {"Authorization": "Bearer " + self.token} if self.token else {}

    async def exchange(self, url: str, peer: Peer, direction: str) -> None:
        headers = self.headers() | {"Content-Type": "application/sdp"}
        async with self.http.post(url, data=peer.offer(direction), headers=headers) as r:
            text = await r.text()
            if r.status != 201:
                raise RuntimeError(f"{url}: {r.status} {text[:200]}")
            self.resources.append(urljoin(url, r.headers["Location"]))
        peer.accept(text)
        await peer.connect()

    async def publish(self, peer: Peer) -> None:
        await self.exchange(self.whip, peer, "sendonly")

    async def subscribe(self, peer: Peer) -> None:
        await self.exchange(self.whep, peer, "recvonly")

    async def close(self) -> None:
        for url in self.resources:
            try:
                async with self.http.delete(url, headers=self.headers()):
                    pass
            except (TimeoutError, aiohttp.ClientError):
                break
        await super().close()


class MediaRelay(Whip):
    """The reference server in mediarelay.py."""

    script = "mediarelay"

    def start(self) -> None:
        self.whip = f"http://{HOST}:{self.port}/whip"
        self.whep = f"http://{HOST}:{self.port}/whep"
        self.launch([sys.executable, "-m", "bench." + self.script, str(self.port), self.args.codec])


class PyLoop(MediaRelay):
    """The yardstick in pyloop.py."""

    script = "pyloop"
    forwards = True


class Janus(Adapter):
    """Janus's videoroom plugin, over its WebSocket API, with a configuration of its own."""

    own_network = True  # it gathers no candidates on a loopback interface, and binds to the interface
    host = "127.77.0.1"
    forwards = True
    PLUGINS = "/usr/lib/x86_64-linux-gnu/janus"

    def start(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="liveclass-bench-")
        loops = f"event_loops = {self.args.janus_loops}" if self.args.janus_loops else ""
        files = {
            "janus.jcfg": f"""
general: {{ configs_folder = "{self.folder}"
  plugins_folder = "{self.PLUGINS}/plugins"
  transports_folder = "{self.PLUGINS}/transports"
  debug_level = 3
  {loops}
}}
media: {{ rtp_port_range = "20000-40000" }}
nat: {{ ice_enforce_list = "bench0" }}
plugins: {{ disable = "{",".join(self.others("plugins", "videoroom"))}" }}
transports: {{ disable = "{",".join(self.others("transports", "websockets"))}" }}
""",
            "janus.transport.websockets.jcfg": f"""
general: {{ json = "compact"
  ws = true
  ws_port = {self.port}
  ws_ip = "{HOST}"
}}
admin: {{ admin_ws = false }}
""",
            "janus.plugin.videoroom.jcfg": f"""
general: {{}}
room-1: {{ publishers = 2
  bitrate = 4000000
  audiocodec = "opus"
  videocodec = "{self.args.codec}"
  notify_joining = false
}}
""",
        }
        for name, text in files.items():
            with open(os.path.join(self.folder, name), "w") as f:
                f.write(text)
        self.launch(["janus", "-F", self.folder, "-C", os.path.join(self.folder, "janus.jcfg"), "--disable-colors"])

    def others(self, kind: str, wanted: str) -> list[str]:
        return sorted(n for n in os.listdir(f"{self.PLUGINS}/{kind}") if n.endswith(".so") and wanted not in n)

    async def open(self) -> None:
        await super().open()
        self.ws = await self.http.ws_connect(f"ws://{HOST}:{self.port}/", protocols=["janus-protocol"])
        self.waiting: dict[str, tuple[asyncio.Future[Any], str]] = {}
        self.numbers = itertools.count()
        self.tasks = [asyncio.ensure_future(self.read()), asyncio.ensure_future(self.keepalive())]
        self.session: int | None = None
        self.session = (await self.ask("create", until="success"))["data"]["id"]

    async def read(self) -> None:
        async for message in self.ws:
            data = json.loads(message.data)
            future, until = self.waiting.get(data.get("transaction"), (None, None))
            if future and not future.done():
                if data["janus"] == "error" or "error" in data.get("plugindata", {}).get("data", {}):
                    future.set_exception(RuntimeError(json.dumps(data)[:300]))
                elif data["janus"] == until:
                    future.set_result(data)

    async def keepalive(self) -> None:
        while True:
            await asyncio.sleep(20)
            await self.ws.send_json({"janus": "keepalive", "session_id": self.session, "transaction": "k"})

    async def ask(self, what: str, until: str, **fields: Any) -> Any:
        number = str(next(self.numbers))
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting[number] = (future, until)
        if self.session:
            fields["session_id"] = self.session
        await self.ws.send_json({"janus": what, "transaction": number, **fields})
        try:
            return await asyncio.wait_for(future, 30)
        finally:
            del self.waiting[number]

    async def attach(self) -> Any:
        answer = await self.ask("attach", until="success", plugin="janus.plugin.videoroom")
        return answer["data"]["id"]

    async def publish(self, peer: Peer) -> None:
        handle = await self.attach()
        body = {"request": "joinandconfigure", "room": 1, "ptype": "publisher", "id": 1}
        event = await self.ask(
            "message",
            until="event",
            handle_id=handle,
            body=body,
            jsep={"type": "offer", "sdp": peer.offer("sendonly"), "trickle": False},
        )
        peer.accept(event["jsep"]["sdp"])
        await peer.connect()

    async def subscribe(self, peer: Peer) -> None:
        handle = await self.attach()
        body = {"request": "join", "room": 1, "ptype": "subscriber", "streams": [{"feed": 1}]}
        event = await self.ask("message", until="event", handle_id=handle, body=body)
        answer = peer.answer(event["jsep"]["sdp"])
        started = self.ask(
            "message",
            until="event",
            handle_id=handle,
            body={"request": "start"},
            jsep={"type": "answer", "sdp": answer, "trickle": False},
        )
        await asyncio.gather(started, peer.connect())

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await self.ws.close()
        await super().close()


TOLD = {
    "native": "native_fanout",
    "sent": "datagrams_sent_total",
    "sent_natively": "native_datagrams_sent_total",
    "send_dropped": "datagrams_send_dropped_total",
}
"""Columns of a run by what `/metrics` of liveclass's relay calls them."""


class Liveclass(Whip):
    """This project: a server of its own with a lesson made through its API, recording and all."""

    forwards = True
    one_thread = True
    options: tuple[str, ...] = ()

    def start(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="liveclass-bench-")
        self.admin = secrets.token_urlsafe(24)
        command = [sys.executable, "-m", "liveclass", "serve", "--host", HOST, "--port", str(self.port)]
        command += ["--udp-port", str(free_port()), "--data-dir", os.path.join(self.folder, "data")]
        # all subscribers come from one address, and the lesson is still live when the server is stopped
        command += ["--posts-per-s", "100000", "--drain-s", "0", "--log-level", "warning", *self.options]
        command += self.args.serve
        self.launch(command)
        self.lesson = self.api("POST", "/api/lessons", {"title": "bench"})
        self.whip, self.whep = self.lesson["whip_url"], self.lesson["whep_url"]
        self.token = self.lesson["teacher_token"]

    def environment(self) -> dict[str, str]:
        return super().environment() | {"LIVECLASS_ADMIN_TOKEN": self.admin}

    def fetch(self, path: str, method: str = "GET", body: Any = None, token: str | None = None) -> bytes:
        """A request to the server's HTTP API; blocks. `token` is the admin's unless given.

        Raises:
            urllib.error.URLError: no answer, or one of 4xx or 5xx.
        """
        headers = {"Authorization": "Bearer " + (token or self.admin), "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        url = urljoin(f"http://{HOST}:{self.port}", path)
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            content: bytes = response.read()
        return content

    def api(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        return json.loads(self.fetch(path, method, body, token) or b"null")

    def notes(self) -> dict[str, Any]:
        recording = self.api("GET", "/api/lessons/" + self.lesson["id"])["recording"]["state"]
        lines = self.fetch("/metrics").decode().splitlines()
        told = {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[:1] not in "#")}
        figures = {name: told[f"liveclass_relay_{key}"] for name, key in TOLD.items()}
        return {"recording": recording, **figures}

    async def subscribe(self, peer: Peer) -> None:
        self.token = self.lesson["classroom_token"]
        await super().subscribe(peer)


class LiveclassPython(Liveclass):
    """The same with the native fan-out off."""

    options = ("--no-native-fanout",)


ADAPTERS: dict[str, type[Adapter]] = {
    "liveclass": Liveclass,
    "liveclass-python": LiveclassPython,
    "janus": Janus,
    "whip": Whip,
    "mediarelay": MediaRelay,
    "pyloop": PyLoop,
}
