"""A lesson's timeline with slides, strokes, questions and chat, for the replay page: what the server would have kept.

The deck's pages are pictures of one colour each (`COLOURS`), so that a test reads off a pixel which page is shown.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from PIL import Image, ImageDraw, ImageFont

from tests.web.replay_server import Recorded

DECK = "deck0001"
COLOURS = ("#f5d76e", "#8fc1e3", "#b5d8a0")
"""Of the pages' lower halves."""

SHOWN_AT_S = (2.0, 5.0, 11.0)
"""When each page of the deck came on the stage; the blackboard follows at `BOARD_AT_S`, the camera at `LIVE_AT_S`."""

STROKE_AT_S = 7.0
"""A thick red line across the second page, drawn within a second."""

BOARD_AT_S = 24.0
LIVE_AT_S = 30.0

TEXTS = {
    "en": (
        ("Fractions", "A half and a quarter"),
        ("Share a cake", "Four pieces, each a quarter"),
        ("Try it", "Which is more: a half or a third?"),
        "Fractions.pdf",
        "Share the cake",
        "Which is more?",
        ("a half", "a third", "the same"),
        ("Ms Lin", "Class 3-2", "We cannot see the cake well", "Now it is larger"),
    ),
    "zh-CN": (
        ("分数的认识", "二分之一和四分之一"),
        ("分蛋糕", "平均分成四块，每块是四分之一"),
        ("试一试", "二分之一和三分之一，哪个大？"),
        "分数的认识.pdf",
        "分蛋糕",
        "哪个大？",
        ("二分之一", "三分之一", "一样大"),
        ("林老师", "三年级二班", "蛋糕看不太清楚", "放大了，现在呢"),
    ),
}


def tell(recorded: Recorded, language: str = "en") -> None:
    """Give a recorded lesson a timeline."""
    *pages, deck, mark, question, choices, people = TEXTS[language]
    manifest = _manifest(recorded, [(str(title), str(text)) for title, text in pages])
    teacher, room, asked, answered = people
    line = {"type": "stroke_begun", "id": "stroke-red", "page": f"{DECK}.2", "tool": "pen", "color": "#d43a2f"}
    events: list[tuple[float, dict[str, Any]]] = [
        (-60, {"type": "material_changed", "material": _deck(str(deck), manifest)}),
        (0, {"type": "lesson_started"}),
        *((at, {"type": "stage_shown", "stage": "page", "page": f"{DECK}.{n + 1}"}) for n, at in enumerate(SHOWN_AT_S)),
        (SHOWN_AT_S[1], {"type": "marked", "text": mark}),
        (STROKE_AT_S, {**line, "width": 240, "points": [1000, 4200, 50]}),
        *(
            (
                STROKE_AT_S + n / 10,
                {"type": "stroke_grew", "id": line["id"], "page": line["page"], "points": [800, 0, 0]},
            )
            for n in range(1, 10)
        ),
        (8.5, {"type": "said", "name": room, "role": "classroom", "text": asked}),
        (10.0, {"type": "said", "name": teacher, "role": "teacher", "text": answered}),
        (13.0, {"type": "poll_opened", "poll": "poll0001", "question": question, "choices": list(choices)}),
        *(
            (
                15.0 + n,
                {"type": "poll_answered", "poll": "poll0001", "participant": f"p{n}", "name": f"{n}", "counts": counts},
            )
            for n, counts in enumerate(([12, 7, 2], [19, 3, 0]))
        ),
        (18.0, {"type": "poll_revealed", "poll": "poll0001", "right": 0}),
        (BOARD_AT_S, {"type": "stage_shown", "stage": "page", "page": "b.1"}),
        (LIVE_AT_S, {"type": "stage_shown", "stage": "live"}),
    ]
    events.sort(key=lambda one: one[0])
    recorded.timeline = [
        {"type": "happened", "seq": n + 1, "at_ms": _moment(recorded, at_s), "by": "teacher1", "event": event}
        for n, (at_s, event) in enumerate(events)
    ]


def add_film(recorded: Recorded, folder: Path, began_at_s: float) -> None:
    """A silent film of 20 s on the stage from that second on, playing from its beginning."""
    assert recorded.timeline is not None
    path = folder / "film.mp4"
    with av.open(path, "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("libx264", rate=10, options={"preset": "ultrafast", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 192, 108, "yuv420p"
        for number in range(200):
            grey = np.full((108, 192, 3), number, np.uint8)
            out.mux(stream.encode(VideoFrame.from_ndarray(grey, format="rgb24")))
        out.mux(stream.encode())
    film = {"kind": "film", "file": _keep(recorded, path.read_bytes(), "mp4"), "ext": "mp4", "duration_ms": 20_000}
    manifest = _keep(recorded, json.dumps({**film, "width": 192, "height": 108, "bytes": 1}).encode(), "json")
    material = {"id": "film0001", "kind": "film", "name": "Delta.mp4", "state": "ready", "manifest": manifest}
    kept = [one for one in recorded.timeline if one["at_ms"] < _moment(recorded, began_at_s)]
    events = (
        {"type": "material_changed", "material": material},
        {"type": "stage_shown", "stage": "film", "material": "film0001"},
        {"type": "played", "material": "film0001", "playing": True, "position_ms": 0},
    )
    at_ms = _moment(recorded, began_at_s)
    recorded.timeline = kept + [
        {"type": "happened", "seq": len(kept) + n + 1, "at_ms": at_ms, "by": "teacher1", "event": event}
        for n, event in enumerate(events)
    ]


def _moment(recorded: Recorded, at_s: float) -> int:
    """The wall clock at a second of the replay."""
    part = [one for one in recorded.parts if one["starts_at_s"] <= max(0, at_s)][-1]
    return round(part["began_at_ms"] + (at_s - part["starts_at_s"]) * 1000)


def _deck(name: str, manifest: str) -> dict[str, Any]:
    return {"id": DECK, "kind": "deck", "name": name, "state": "ready", "done": 3, "total": 3, "manifest": manifest}


def _keep(recorded: Recorded, body: bytes, ending: str) -> str:
    sha = hashlib.sha256(body).hexdigest()
    recorded.files[f"{sha}.{ending}"] = body
    return sha


def _manifest(recorded: Recorded, pages: list[tuple[str, str]]) -> str:
    made = []
    for (title, text), colour in zip(pages, COLOURS, strict=True):
        sizes = {
            size: _keep(recorded, _picture(title, text, colour, width), "webp")
            for size, width in (("thumb", 160), ("s", 480), ("m", 1280), ("l", 1920))
        }
        made.append({"w": 1920, "h": 1080, **sizes, "bytes": [0, 0, 0, 0], "text": f"{title}\n{text}"})
    return _keep(recorded, json.dumps({"kind": "deck", "pages": made}).encode(), "json")


def _picture(title: str, text: str, colour: str, width: int) -> bytes:
    height = width * 9 // 16
    image = Image.new("RGB", (width, height), "#ffffff")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, height // 2, width, height), fill=colour)
    draw.text((width // 12, height // 8), title, fill="#1e2a2f", font=_font(width // 14))
    draw.text((width // 12, height // 3), text, fill="#465257", font=_font(width // 28))
    out = io.BytesIO()
    image.save(out, "WEBP", quality=80)
    return out.getvalue()


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in ("NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc", "DejaVuSans.ttf"):
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)
