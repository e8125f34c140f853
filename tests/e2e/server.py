"""A real `liveclass serve` in a process of its own, as operators start it, and the API as a programme office uses it.

Nothing here imports liveclass: the tests stand where users stand.
"""

import asyncio
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).resolve().parent.parent.parent
START_S = 60.0
"""Until a fresh server answers: a few seconds, and many times that on two cores that run four browsers."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """The links of a new lesson, as the API gave them."""

    id: str
    teacher_url: str
    classroom_url: str
    replay_url: str
    teacher_token: str
    classroom_token: str
    replay_token: str
    whip_url: str
    whep_url: str


class LiveServer:
    """One server on free ports of loopback; `restart` and `kill` keep ports and data."""

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        """
        Args:
            data_dir: its data folder; created when missing.
            settings: further `LIVECLASS_*` settings, by their names in lower case (`session_timeout_s`).
        """
        self.data_dir = data_dir
        self.port = free_port(socket.SOCK_STREAM)
        self.udp_port = free_port(socket.SOCK_DGRAM)
        secure = (settings or {}).get("tls_self_signed") == "true"
        self.url = f"{'https' if secure else 'http'}://127.0.0.1:{self.port}"
        self.admin_token = secrets.token_urlsafe(24)
        self.log = data_dir.with_name(f"{data_dir.name}.log")
        self._settings = dict(settings or {})
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The one that was started last."""
        assert self._process is not None
        return self._process

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIVECLASS_")}
        settings = {
            "host": "127.0.0.1",
            "port": str(self.port),
            "udp_port": str(self.udp_port),
            "public_address": "127.0.0.1",
            "data_dir": str(self.data_dir),
            "admin_token": self.admin_token,
            # A restart in a test is the end of the process now, not when the lesson is over.
            "drain_s": "0",
            # All people of a test share one address.
            "posts_per_s": "100",
            **self._settings,
        }
        # The checkout's own code, also where the package is not installed.
        path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
        return {
            **inherited,
            "PYTHONPATH": path,
            "PYTHONUNBUFFERED": "1",
            **{f"LIVECLASS_{name.upper()}": value for name, value in settings.items()},
        }

    async def start(self) -> None:
        """Starts the process and waits until it is ready.

        Raises:
            AssertionError: it ended or did not become ready in time; the message holds the end of its log.
        """
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "liveclass",
                "serve",
                env=self._environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.data_dir.parent,
            )
        begin = time.monotonic()
        async with aiohttp.ClientSession(connector=_any_certificate()) as http:
            while time.monotonic() - begin < START_S:
                if self._process.returncode is not None:
                    break
                try:
                    async with http.get(f"{self.url}/readyz", timeout=aiohttp.ClientTimeout(total=2)) as answer:
                        if answer.status == 200:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass
                await asyncio.sleep(0.1)
        raise AssertionError(f"the server did not become ready:\n{self.log_tail()}")

    async def stop(self, *, hard: bool = False) -> None:
        """Ends the process: by SIGTERM, or with `hard` by SIGKILL, which it cannot notice.

        Raises:
            AssertionError: SIGTERM did not end it within 15 s.
        """
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), 15)
        except TimeoutError as error:
            self._process.kill()
            await self._process.wait()
            # What had failed before, if anything, is shown with it.
            raise AssertionError(f"SIGTERM did not end the server:\n{self.log_tail()}") from error

    async def restart(self, *, hard: bool = False) -> None:
        """Ends it and starts it again with the same ports and data."""
        await self.stop(hard=hard)
        await self.start()

    def log_tail(self, lines: int = 60) -> str:
        return (
            "\n".join(self.log.read_text("utf-8", errors="replace").splitlines()[-lines:]) if self.log.exists() else ""
        )

    async def api(self, method: str, path: str, body: object = None, *, token: str = "") -> Any:
        """One call of the HTTP API.

        Args:
            token: bearer token; empty takes the admin's.

        Raises:
            aiohttp.ClientResponseError: the server refused.
        """
        headers = {"Authorization": f"Bearer {token or self.admin_token}"}
        async with (
            aiohttp.ClientSession(headers=headers, raise_for_status=True, connector=_any_certificate()) as http,
            http.request(method, f"{self.url}{path}", json=body) as answer,
        ):
            return await answer.json() if answer.content_type == "application/json" else await answer.read()

    async def create_lesson(self, title: str = "Rivers", language: str = "en") -> Lesson:
        """A new lesson, waiting."""
        made = await self.api("POST", "/api/lessons", {"title": title, "language": language})
        return Lesson(**{name: made[name] for name in Lesson.__slots__})

    async def lesson(self, lesson: Lesson) -> Any:
        return await self.api("GET", f"/api/lessons/{lesson.id}")

    async def replay(self, lesson: Lesson) -> Any:
        """The replay's manifest, with the replay link's own token."""
        return await self.api("GET", f"/api/replays/{lesson.id}", token=lesson.replay_token)

    async def metrics(self) -> dict[str, float]:
        """All samples of `/metrics` by name with labels."""
        text = bytes(await self.api("GET", "/metrics")).decode()
        rows = [line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in rows}


def _any_certificate() -> aiohttp.TCPConnector:
    """The server is on this machine, and its certificate is its own."""
    return aiohttp.TCPConnector(ssl=False)


def free_port(kind: socket.SocketKind) -> int:
    """A port of loopback that nobody holds now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
