"""The listener for other nodes: who is let in, and what is kept from everybody else."""

from pathlib import Path

import aiohttp
import pytest

from liveclass.cluster.memory import MemoryDirectory
from liveclass.errors import PeerError, UsageError
from liveclass.server.internal import HEADER, LIFE_S, Inner, NodeKey
from tests.server.stage import Clock, Stage, build


def key(clock: Clock, secret: bytes = b"s" * 32) -> NodeKey:
    return NodeKey(secret, clock.wall)


def test_a_header_holds_for_its_own_request_and_its_own_time_alone() -> None:
    clock = Clock()
    made = key(clock).header("school.example-0-ab12", "POST", "/internal/claim/abc?x=1")
    assert key(clock).check(made, "POST", "/internal/claim/abc?x=1") == "school.example-0-ab12"
    for method, path in (("GET", "/internal/claim/abc?x=1"), ("POST", "/internal/claim/abd?x=1"), ("POST", "/")):
        with pytest.raises(PeerError, match="no node"):
            key(clock).check(made, method, path)
    with pytest.raises(PeerError):
        key(clock, b"t" * 32).check(made, "POST", "/internal/claim/abc?x=1")
    clock.advance(LIFE_S + 1)
    with pytest.raises(PeerError):
        key(clock).check(made, "POST", "/internal/claim/abc?x=1")


@pytest.mark.parametrize(
    "value", ["", ".", "..", "n.1.x", "n.99999999999999.x", "n." + "9" * 600 + ".x", "n.-5.é", "n.1é.x"]
)
def test_what_is_no_header_is_refused_and_does_no_harm(value: str) -> None:
    with pytest.raises(PeerError) as refused:
        key(Clock()).check(value, "GET", "/")
    assert (refused.value.status, refused.value.code) == (403, "node_unknown")


def test_the_listener_needs_an_address_that_others_can_reach() -> None:
    for host in ("0.0.0.0", "no-such-host.invalid"):  # noqa: S104
        with pytest.raises(UsageError, match="node_host"):
            Inner(key(Clock())).open(host, 0)


async def node(folder: Path) -> Stage:
    return await build(folder, directory=MemoryDirectory(), node="a", lease_s=0.5)


async def test_nodes_are_let_in_by_their_own_listener_and_nobody_else(tmp_path: Path) -> None:
    stage = await node(tmp_path)
    assert stage.fleet is not None
    inner = stage.fleet.inner.url
    path = "/internal/node"
    good = {HEADER: stage.fleet.key.header("b", "GET", path)}
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{inner}{path}", headers=good) as answer:
            assert answer.status == 200
            told = await answer.json()
            assert (told["node"]["id"], told["node"]["url"]) == ("a", inner)
        for headers in (
            {},
            {HEADER: good[HEADER][:-1]},
            {HEADER: NodeKey(b"x" * 32, stage.clock.wall).header("b", "GET", path)},
        ):
            async with http.get(f"{inner}{path}", headers=headers) as answer:
                assert answer.status == 403
                assert (await answer.json())["error"]["code"] == "node_unknown"
        # Not a page either: whoever reaches the inner port by mistake learns nothing.
        async with http.get(f"{inner}/api/lessons") as answer:
            assert answer.status == 403
        for path in ("/healthz", "/readyz"):
            async with http.get(f"{inner}{path}") as answer:
                assert answer.status == 200
    await stage.close()


async def test_the_pages_port_knows_no_internal_route_whatever_the_header_says(tmp_path: Path) -> None:
    stage = await node(tmp_path)
    assert stage.fleet is not None
    for method, path in (
        ("GET", "/internal/node"),
        ("POST", "/internal/drain"),
        ("POST", "/internal/claim/abc"),
        ("GET", "/internal/x"),
    ):
        headers = {HEADER: stage.fleet.key.header("b", method, path)}
        response = await stage.client.request(method, path, headers=headers)
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "not_found"
    await stage.close()


async def test_a_draining_node_says_so_and_takes_no_lesson(tmp_path: Path) -> None:
    stage = await node(tmp_path)
    assert stage.fleet is not None
    lesson = await stage.lesson()
    await stage.fleet.drain()
    response = await stage.client.get("/readyz")
    assert response.status == 503
    assert (await response.json())["error"]["code"] == "draining"
    response = await stage.client.get(f"/api/lessons/{lesson['id']}", headers={"Authorization": "Bearer x"})
    assert (response.status, (await response.json())["error"]["code"]) == (503, "fleet_full")
    assert response.headers["Retry-After"] == "10"
    await stage.close()
