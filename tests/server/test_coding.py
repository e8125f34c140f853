"""Small texts travel compressed, within bounds, and only where both ends take it."""

import gzip
import random
import tracemalloc
import zlib

import pytest

from liveclass.errors import PeerError
from liveclass.relay.ports import Answer, Person
from liveclass.server import coding
from liveclass.server.coding import accepts, inflated
from tests.server.stage import OFFER, Stage, bearer

LONG = OFFER + "a=rtpmap:96 H264/90000\r\n" * 200
MEMBER = gzip.compress(b"v=0", mtime=0)
GZIP = {"Content-Type": "application/sdp", "Content-Encoding": "gzip"}


@pytest.mark.parametrize("size", [0, 1, 1000, 65_536])
def test_what_was_compressed_comes_back_whole(size: int) -> None:
    plain = random.Random(size).randbytes(size)
    assert inflated(gzip.compress(plain), 65_536) == plain


def test_a_bomb_is_refused_without_being_blown_up() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000, 9)
    assert len(bomb) < 65_536
    tracemalloc.start()
    with pytest.raises(PeerError) as refused:
        inflated(bomb, 65_536)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.status == 413
    assert peak < 500_000


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"v=0", id="plain"),
        pytest.param(MEMBER[:-1], id="cut"),
        pytest.param(MEMBER + b"x", id="more"),
        pytest.param(MEMBER + MEMBER, id="twice"),
        pytest.param(zlib.compress(b"v=0"), id="zlib"),
        pytest.param(MEMBER[:-8] + bytes(8), id="checksum"),
    ],
)
def test_what_is_no_single_whole_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(PeerError) as refused:
        inflated(body, 65_536)
    assert (refused.value.status, refused.value.code) == (400, "coding_invalid")


def test_noise_is_refused_and_breaks_nothing() -> None:
    rng = random.Random(7)
    whole = gzip.compress(LONG.encode(), mtime=0)
    for _ in range(500):
        broken = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            plain = inflated(bytes(broken), 65_536)
        except PeerError:
            continue
        # Fields of the header that say nothing of the content may differ.
        assert plain == LONG.encode()


@pytest.mark.parametrize(
    ("header", "taken"),
    [("gzip, deflate", True), ("", False), ("br", False), ("*", True), ("gzip;q=0", False), ("*, gzip;q=0.0", False)],
)
def test_the_client_decides_whether_an_answer_is_compressed(header: str, taken: bool) -> None:
    assert accepts(header, "gzip") is taken


async def test_a_compressed_offer_is_as_good_as_a_plain_one(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = await stage.lesson()
    offers: list[str] = []
    subscribe = stage.media.subscribe

    def heard(lesson_id: str, person: Person, offer: str, reached_at: str) -> Answer:
        offers.append(offer)
        return subscribe(lesson_id, person, offer, reached_at)

    monkeypatch.setattr(stage.media, "subscribe", heard)
    headers = {**GZIP, **bearer(lesson["classroom_token"])}
    answered = await stage.client.post(f"/whep/{lesson['id']}", data=gzip.compress(LONG.encode()), headers=headers)
    assert (answered.status, offers) == (201, [LONG])


async def test_a_compressed_fragment_restarts_ice(stage: Stage) -> None:
    lesson = await stage.lesson()
    session = (await stage.post(lesson["whep_url"], lesson["classroom_token"])).headers["Location"]
    headers = {
        "Content-Type": "application/trickle-ice-sdpfrag",
        "Content-Encoding": "gzip",
        "If-Match": "*",
        **bearer(lesson["classroom_token"]),
    }
    fragment = gzip.compress(b"a=ice-ufrag:efgh\r\na=ice-pwd:0123456789012345678901\r\n")
    assert (await stage.client.patch(session, data=fragment, headers=headers)).status == 200


async def test_a_bomb_of_an_offer_leaves_no_trace(stage: Stage) -> None:
    lesson = await stage.lesson()
    headers = {**GZIP, **bearer(lesson["classroom_token"])}
    bomb = gzip.compress(OFFER.encode() + b"a=x\r\n" * 2_000_000, 9)
    assert len(bomb) < 64_000
    refused = await stage.client.post(f"/whep/{lesson['id']}", data=bomb, headers=headers)
    assert (refused.status, (await refused.json())["error"]["code"]) == (413, "body_too_large")
    assert stage.media.sessions == {}


async def test_another_coding_is_refused_with_those_that_are_taken(stage: Stage) -> None:
    lesson = await stage.lesson()
    refused = await stage.post(lesson["whep_url"], lesson["classroom_token"], **{"Content-Encoding": "br"})
    assert (refused.status, refused.headers["Accept-Encoding"]) == (415, "identity, gzip")


async def test_bodies_of_the_api_stay_plain(stage: Stage) -> None:
    lesson = await stage.lesson()
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", **bearer(lesson["teacher_token"])}
    refused = await stage.client.post("/api/lessons", data=gzip.compress(b"{}"), headers=headers)
    assert refused.status in (401, 403, 415)
    assert stage.media.sessions == {}


@pytest.mark.parametrize(("asked", "coded"), [("gzip", "gzip"), ("br", None), ("identity", None), ("gzip;q=0", None)])
async def test_an_answer_leaves_compressed_to_whoever_takes_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, asked: str, coded: str | None
) -> None:
    lesson = await stage.lesson()
    monkeypatch.setattr(stage.media, "subscribe", lambda *_: Answer("session-x", LONG, "tag-1"))
    monkeypatch.setattr(stage.lessons, "media_accepted", lambda *_: None)
    stage.client.session._auto_decompress = False
    answered = await stage.post(lesson["whep_url"], lesson["classroom_token"], **{"Accept-Encoding": asked})
    body = await answered.read()
    assert (answered.status, answered.headers.get("Content-Encoding")) == (201, coded)
    assert (gzip.decompress(body) if coded else body) == LONG.encode()
    assert answered.headers["Vary"] == "Accept-Encoding"
    assert int(answered.headers["Content-Length"]) == len(body)
    assert (len(body) < len(LONG) / 5) is (coded is not None)


async def test_a_short_answer_is_left_as_it_is(stage: Stage) -> None:
    lesson = await stage.lesson()
    stage.client.session._auto_decompress = False
    answered = await stage.post(lesson["whep_url"], lesson["classroom_token"], **{"Accept-Encoding": "gzip"})
    assert len(await answered.read()) < coding.MIN_BYTES
    assert "Content-Encoding" not in answered.headers
