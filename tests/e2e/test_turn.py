"""A network with one TCP port to a TURN server: a real browser gets credentials, and the lesson, through it.

The TURN server is a real coturn with the file that we ship.
"""

import asyncio
import contextlib
import secrets
import shutil
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from liveclass.operate.certificates import self_signed
from tests.e2e import senses, ways
from tests.e2e.pages import ClassroomPage, TeachPage
from tests.e2e.school import FIRST_CLASS, TEACHER, School
from tests.e2e.server import LiveServer, free_port
from tests.e2e.waiting import until

pytestmark = pytest.mark.e2e

CONF = Path(__file__).resolve().parent.parent.parent / "turn" / "turnserver.conf"

ENOUGH_BYTES = 20_000
"""More than checks and reports come to: this way carries sound and picture."""


def own_address() -> str:
    """An address of this machine that is not loopback, which no relay may reach."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    pytest.skip("this machine has loopback alone, and coturn relays to no loopback: TURN was not tested")


@contextlib.asynccontextmanager
async def coturn(folder: Path, address: str, secret: str, *, tls: bool) -> AsyncIterator[int]:
    """A coturn with our file; gives its one port: TCP, with TLS or without."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("coturn is not installed (apt-get install coturn): TURN was not tested")
    text = CONF.read_text("utf-8").replace("@SECRET@", secret).replace("@SERVER@", address)
    conf, port = folder / "turnserver.conf", free_port(socket.SOCK_STREAM)
    options = ["-c", str(conf), f"--listening-ip={address}", f"--relay-ip={address}", "--no-dtls", "--no-udp"]
    options += [f"--userdb={folder / 'db'}", f"--pidfile={folder / 'pid'}"]
    if tls:
        made = self_signed(folder, frozenset({address}), datetime.now(UTC))
        text = text.replace("@CERTIFICATE@", str(made.certificate)).replace("@KEY@", str(made.key))
        options += [f"--tls-listening-port={port}", "--no-tcp"]
    else:
        text = "\n".join(line for line in text.splitlines() if not line.startswith(("cert=", "pkey=")))
        options += [f"--listening-port={port}", "--no-tls"]
    conf.write_text(text)
    log = folder / "turn.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(program, *options, stdout=out, stderr=out, cwd=folder)
    try:

        async def listens() -> bool:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(address, port)
                writer.close()
                return True
            return False

        await until(listens, "coturn listens")
        yield port
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("scheme", ["turn", "turns"])
async def test_a_lesson_reaches_a_network_with_nothing_but_the_relay(
    tmp_path: Path, school: School, scheme: str
) -> None:
    address, secret = own_address(), secrets.token_hex(16)
    async with coturn(tmp_path, address, secret, tls=scheme == "turns") as port:
        settings = {
            "host": "0.0.0.0",  # noqa: S104
            "public_address": address,
            "media_tcp": "false",
            "turn_urls": f"{scheme}:{address}:{port}?transport=tcp",
            "turn_secret": secret,
        }
        server = LiveServer(tmp_path / "relayed", settings)
        await server.start()
        try:
            lesson = await server.create_lesson()
            teacher = await TeachPage.open(await school.person(TEACHER), lesson.teacher_url)
            await teacher.start()
            # The relay's certificate is a test's own, which no browser knows.
            room = await school.person(FIRST_CLASS, more=("--ignore-certificate-errors",))
            await ways.watch(room.context, relay_only=True)
            classroom = await ClassroomPage.open(room, lesson.classroom_url)
            await senses.sees(classroom.page, TEACHER.number)
            await senses.hears(classroom.page, TEACHER.hz)
            found = await ways.of(classroom.page)
            assert [way.type for way in found][-1:] == ["relay"]
            assert found[-1].received > ENOUGH_BYTES
        finally:
            await server.stop()
