"""A network that lets one TCP port through and nothing else: the pages' own, with TLS. A real firewall (`tests.links`)
stands between the classroom's browser and the server; nothing tells either of them.
"""

import asyncio
from pathlib import Path

import pytest

from tests.e2e import senses, ways
from tests.e2e.pages import ClassroomPage, TeachPage
from tests.e2e.school import FIRST_CLASS, TEACHER, School, Wardrobe
from tests.e2e.server import LiveServer
from tests.links import BadLink, Profile, why_not

REASON = why_not()
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(REASON), reason=f"a network with one open port cannot be made: {REASON}"),
]

LINK = Profile.of(None, down="2M", up="500k", delay="40ms")
"""Wide enough for the whole lesson: what this network takes away is ports."""

ENOUGH_BYTES = 20_000
"""More than checks and reports come to: this way carries sound and picture."""

KNOCK = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()
except OSError:
    sys.exit(1)
"""


async def opens(link: BadLink, port: int) -> bool:
    """Whether a TCP connection from behind the link to the server's port comes about."""
    knock = await asyncio.create_subprocess_exec(
        *link.command("python3", "-c", KNOCK, link.server_address, port), stderr=asyncio.subprocess.DEVNULL
    )
    return await knock.wait() == 0


async def test_a_lesson_reaches_a_network_with_nothing_but_the_pages_port(tmp_path: Path, wardrobe: Wardrobe) -> None:
    # The firewall is told the port, so the server takes one before there is a link.
    server = LiveServer(
        tmp_path / "data",
        {"host": "0.0.0.0", "tls_self_signed": "true", "public_address": "127.0.0.1,10.77.0.1"},  # noqa: S104
    )
    async with BadLink(LINK, server_ports=(server.port,), udp=False) as link, School(wardrobe) as school:
        await server.start()
        try:
            assert await opens(link, server.port)
            assert not await opens(link, server.udp_port), "the firewall lets more through than it should"
            lesson = await server.create_lesson()
            teacher = await TeachPage.open(await school.person(TEACHER), lesson.teacher_url)
            await teacher.start()
            room = await school.person(FIRST_CLASS, wrap=link.wrapper)
            await ways.watch(room.context)
            far_url = lesson.classroom_url.replace(server.url, f"https://{link.server_address}:{server.port}")
            classroom = await ClassroomPage.open(room, far_url)
            await senses.hears(classroom.page, TEACHER.hz, within=30)
            await senses.sees(classroom.page, TEACHER.number, within=30)
            found = await ways.of(classroom.page)
            assert {(way.protocol, way.port) for way in found} == {("tcp", server.port)}
            assert max(way.received for way in found) > ENOUGH_BYTES
            assert link.stats()["up"]["blocked"] > 0, "the browser was to try the shorter ways, and to be refused"
            assert school.thrown() == []
        finally:
            await server.stop()
