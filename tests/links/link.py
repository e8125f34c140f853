"""A bad link for tests: `with` or `async with BadLink(...)`; a namespace, and the process that carries its packets.

The process is one of its own, so that a busy test does not disturb it; it ends and cleans up when its parent is gone.
"""

import asyncio
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

from tests.links import namespace as spaces
from tests.links.profile import Profile

ROOT = Path(__file__).resolve().parent.parent.parent


class LinkError(RuntimeError):
    """The link could not be made, or its process was killed."""


def why_not() -> str:
    """What this machine lacks for a link, in words; empty when it has all."""
    if sys.platform != "linux":
        return "network namespaces need Linux"
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need iproute2 (`ip`)"
    try:
        os.close(spaces.open_tun("lclinkprobe"))
    except OSError as error:
        return f"no TUN device can be made here ({error.strerror})"
    allowed = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return "" if allowed.returncode == 0 else "network namespaces are not permitted here"


class BadLink:
    """A link and its namespace.

    Attributes:
        server_address: the host, as seen from behind the link.
        client_address: the namespace, as seen from the host; several links run side by side.
        namespace: its name for `ip netns`.
    """

    def __init__(
        self, profile: Profile | str = "mountain-3g", *, server_ports: tuple[int, ...] = (), udp: bool = True
    ) -> None:
        """
        Args:
            profile: the link at the start.
            server_ports: TCP ports of the host that can be reached; empty: all.
            udp: whether UDP passes.
        """
        self.profile = Profile.of(profile)
        self.server_address = spaces.SERVER
        self.namespace = self.client_address = ""
        self._folder: str | None = None
        self._last: dict[str, Any] = {}
        self._process: subprocess.Popen[str] | None = None
        self._arguments = [f"--server-port={port}" for port in server_ports] + ["--no-udp"] * (not udp)

    def __enter__(self) -> Self:
        """
        Raises:
            LinkError: this machine cannot; `why_not` says why.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.links.forwarder", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=ROOT,
        )
        answer = self._hear() or {"error": "the forwarder did not start"}
        if "error" in answer:
            self._process.wait()
            raise LinkError(answer["error"])
        self.namespace, self.client_address = answer["namespace"], answer["client_address"]
        self.set(self.profile)
        return self

    def __exit__(self, *_: object) -> None:
        process = self._running()
        try:
            self._last = self.stats()
        except (OSError, LinkError):
            pass
        if process.stdin:
            try:
                process.stdin.close()
            except OSError:
                pass
        failed = process.wait()
        if process.stdout:
            process.stdout.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        if failed:
            spaces.clean()
            raise LinkError("the forwarder was killed: what ran behind this link proves nothing")

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(self, *details: object) -> None:
        await asyncio.to_thread(self.__exit__, *details)

    def set(self, profile: Profile | str) -> None:
        """The link is like this from now on; its outages count from now."""
        self.profile = Profile.of(profile)
        self._tell(self.profile.to_json())

    def stats(self) -> dict[str, Any]:
        """Counts and percentiles of `down` and `up` since the start; after the end, the last ones.

        Raises:
            LinkError: the forwarder does not answer.
        """
        if self._last:
            return self._last
        self._tell({})
        answer = self._hear()
        if answer is None:
            raise LinkError("the forwarder does not answer")
        return answer

    def command(self, *command: object) -> list[str]:
        """The command line that runs this command behind the link."""
        names = {
            "LINK_SERVER": self.server_address,
            "LINK_CLIENT": self.client_address,
            "LINK_NAMESPACE": self.namespace,
        }
        settings = [f"{name}={value}" for name, value in names.items()]
        return ["ip", "netns", "exec", self.namespace, "env", *settings, *map(str, command)]

    def wrapper(self, program: str | Path) -> str:
        """The path of a script that runs this program behind the link, for those who take a path and no command.

        Playwright drives a browser through inherited pipes, so only the browser need be behind the link:
        `chromium.launch(executable_path=link.wrapper(find_chromium()))`. Pages of `http://10.77.0.1:PORT` may use
        microphone and camera with `--unsafely-treat-insecure-origin-as-secure` of that origin.
        """
        self._folder = self._folder or tempfile.mkdtemp(prefix="lclink-")
        path = Path(self._folder, Path(program).name)
        path.write_text(f'#!/bin/sh\nexec {shlex.join(self.command(program))} "$@"\n')
        path.chmod(0o755)
        return str(path)

    def kill_all(self) -> None:
        """Ends all that runs behind the link at once, as a power cut does."""
        spaces.end_processes(self.namespace, signal.SIGKILL)

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            raise LinkError("the link was not entered")
        return self._process

    def _tell(self, fields: dict[str, Any]) -> None:
        process = self._running()
        if process.stdin is None:
            raise LinkError("the forwarder has no input")
        process.stdin.write(json.dumps(fields) + "\n")
        process.stdin.flush()

    def _hear(self) -> dict[str, Any] | None:
        process = self._running()
        line = process.stdout.readline() if process.stdout else ""
        heard: dict[str, Any] | None = json.loads(line) if line else None
        return heard
