"""The journal: torn anywhere it still tells what it knows; playlists and manifests follow from it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveclass.recording.book import (
    FILE_NAME,
    Book,
    Record,
    line,
    manifest_from_json,
    manifest_to_json,
    playlist,
    read_journal,
)

RECORDS: list[Record] = [
    {"event": "part", "at": 0, "wall_ms": 1_700_000_000_000},
    {"event": "track", "track": "main", "kind": "main", "name": "", "at": 0},
    {"event": "lead", "participant": "p1"},
    {"event": "init", "track": "main", "file": "main-init-1.mp4", "bytes": 700},
    {
        "event": "open",
        "track": "main",
        "n": 1,
        "init": "main-init-1.mp4",
        "discontinuity": False,
        "start": 0,
        "wall_ms": 1_700_000_000_000,
    },
    {"event": "closed", "track": "main", "n": 1, "duration": 900_000, "bytes": 5000},
    {"event": "track", "track": "c1", "kind": "screen", "name": "王芳", "at": 45_000},
    {"event": "init", "track": "c1", "file": "c1-init-1.mp4", "bytes": 600},
    {
        "event": "open",
        "track": "c1",
        "n": 1,
        "init": "c1-init-1.mp4",
        "discontinuity": False,
        "start": 0,
        "wall_ms": 1_700_000_000_500,
    },
    {"event": "closed", "track": "c1", "n": 1, "duration": 450_000, "bytes": 4000},
    {"event": "ended", "track": "c1"},
    {"event": "part", "at": 900_000, "wall_ms": 1_700_000_060_000},
    {
        "event": "open",
        "track": "main",
        "n": 2,
        "init": "main-init-1.mp4",
        "discontinuity": True,
        "start": 900_000,
        "wall_ms": 1_700_000_060_000,
    },
    {"event": "closed", "track": "main", "n": 2, "duration": 270_000, "bytes": 1000},
]
JOURNAL = b"".join(map(line, RECORDS))


def test_a_journal_is_read_as_it_was_written() -> None:
    book, good = read_journal(JOURNAL)
    assert good == len(JOURNAL)
    assert book.bytes == 700 + 5000 + 600 + 4000 + 1000
    assert (book.duration, book.lead) == (1_170_000, "p1")
    manifest = book.manifest("stopped")
    assert [(part.starts_at_s, part.duration_s) for part in manifest.parts] == [(0.0, 10.0), (10.0, 3.0)]
    (clip,) = manifest.clips
    assert (clip.name, clip.starts_at_s, clip.duration_s, clip.ended) == ("王芳", 0.5, 5.0, True)


def test_the_main_playlist_shows_parts_as_one() -> None:
    book, _ = read_journal(JOURNAL)
    assert playlist(book.tracks["main"], 10.0).decode().splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-TARGETDURATION:10",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-MEDIA-SEQUENCE:1",
        '#EXT-X-MAP:URI="main-init-1.mp4"',
        "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z",
        "#EXTINF:10.000000,",
        "main-000001.m4s",
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:14:20.000Z",
        "#EXTINF:3.000000,",
        "main-000002.m4s",
    ]


def test_a_journal_cut_anywhere_tells_what_is_whole() -> None:
    ends = [0]
    for record in RECORDS:
        ends.append(ends[-1] + len(line(record)))
    for cut in range(len(JOURNAL) + 1):
        _, good = read_journal(JOURNAL[:cut])
        assert good == max(end for end in ends if end <= cut)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_journal_up_to_where_they_make_no_sense(data: bytes) -> None:
    _, good = read_journal(data)
    assert 0 <= good <= len(data)
    _, good = read_journal(JOURNAL + data)
    assert good >= len(JOURNAL)


@given(st.lists(st.sampled_from(RECORDS), max_size=20))
def test_records_in_any_order_leave_a_book_that_gives_playlists(records: list[Record]) -> None:
    book = Book()
    for record in records:
        before = (book.bytes, len(book.parts), {name: len(track.segments) for name, track in book.tracks.items()})
        try:
            book.apply(record)
        except ValueError:
            after = (book.bytes, len(book.parts), {name: len(track.segments) for name, track in book.tracks.items()})
            assert after == before
    for track in book.tracks.values():
        text = playlist(track, 10.0).decode()
        assert text.count("#EXTINF") == len(track.segments)
    assert len(book.manifest("stopped").parts) <= len(book.parts)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"event": "nonsense"},
        {"event": "closed", "track": "main", "n": 1, "duration": 0, "bytes": 9},
        {
            "event": "open",
            "track": "main",
            "n": 1,
            "init": "main-init-7.mp4",
            "discontinuity": 0,
            "start": 0,
            "wall_ms": 0,
        },
        {"event": "ended", "track": "c9"},
        {"event": "part", "at": None, "wall_ms": 0},
        {"event": ["unhashable"]},
    ],
)
def test_a_record_that_makes_no_sense_is_refused(record: Record) -> None:
    book = Book()
    for known in RECORDS[:2]:
        book.apply(known)
    with pytest.raises(ValueError):
        book.apply(record)


def test_a_summary_is_read_as_it_was_written() -> None:
    book, _ = read_journal(JOURNAL)
    manifest = book.manifest("finished")
    assert manifest_from_json(manifest_to_json(manifest)) == manifest


@given(
    st.binary(max_size=100)
    | st.builds(lambda value: json.dumps(value).encode(), st.dictionaries(st.text(), st.integers()))
)
def test_a_damaged_summary_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        manifest_from_json(data)


@given(st.text(max_size=40))
def test_no_name_of_a_replay_leaves_its_folder(name: str) -> None:
    if FILE_NAME.fullmatch(name):
        assert "/" not in name
        assert ".." not in name
        assert name.isascii()
