"""After a crash, a stop or a failed disk: make what is there playable, without anyone's help.

Reads the journal, keeps of every open segment what lies before its last complete fragment, and writes the playlists.
Blocks; runs on the writer thread. Running it twice changes nothing.
"""

import os
from pathlib import Path

from liveclass.recording.book import (
    WHOLE_LESSON,
    Book,
    Record,
    Segment,
    TrackBook,
    line,
    playlist,
    read_journal,
    segment_name,
)
from liveclass.recording.disk import JOURNAL, PART, Disk
from liveclass.recording.fmp4 import AUDIO_TRACK_ID, Whole, whole


def recover(disk: Disk, folder: Path, segment_s: float) -> Book:
    """Repair one recording's folder and return its book; every clip has ended, no segment is open.

    Raises:
        OSError: the disk refuses.
    """
    journal = folder / JOURNAL
    try:
        data = journal.read_bytes()
    except FileNotFoundError:
        return Book()
    book, good = read_journal(data)
    if good < len(data):
        os.truncate(journal, good)
    records: list[Record] = []
    for track in book.tracks.values():
        if track.open is not None:
            records.append(_settle(disk, folder, track, track.open))
    records += [
        {"event": "ended", "track": track.name}
        for track in book.tracks.values()
        if track.kind not in WHOLE_LESSON and not track.ended
    ]
    for record in records:
        book.apply(record)
    _sweep(folder)
    _enter(disk, journal, records)
    for track in book.tracks.values():
        disk.write_file(folder / track.playlist, playlist(track, segment_s))
    return book


def _settle(disk: Disk, folder: Path, track: TrackBook, segment: Segment) -> Record:
    """Close the segment that was being written, or drop it when nothing of it is whole."""
    name = segment_name(track.name, segment.number)
    # The crash may have come after the rename and before the journal's line.
    path = folder / name
    torn = not path.exists()
    if torn:
        path = folder / (name + PART)
    found = whole(path.read_bytes()) if path.exists() else Whole(0, {})
    duration = _end(found) - segment.start
    if not found.size or duration <= 0:
        path.unlink(missing_ok=True)
        return {"event": "dropped", "track": track.name}
    file = os.open(path, os.O_RDWR)
    try:
        os.ftruncate(file, found.size)
        disk.sync(file)
    finally:
        os.close(file)
    if torn:
        os.rename(path, folder / name)
    disk.sync_folder(folder)
    return {
        "event": "closed",
        "track": track.name,
        "n": segment.number,
        "duration": duration,
        "bytes": found.size,
    }


def _end(found: Whole) -> int:
    """Where a segment ends, in 90 kHz ticks of its track."""
    ends = [span.end * 15 // 8 if track_id == AUDIO_TRACK_ID else span.end for track_id, span in found.spans.items()]
    return max(ends, default=0)


def _sweep(folder: Path) -> None:
    """Remove what was being written and belongs to nothing."""
    for path in folder.iterdir():
        if path.suffix in {PART, ".tmp"}:
            path.unlink()


def _enter(disk: Disk, journal: Path, records: list[Record]) -> None:
    if not records:
        return
    file = os.open(journal, os.O_WRONLY | os.O_APPEND)
    try:
        disk.write(file, b"".join(map(line, records)))
        disk.sync(file)
    finally:
        os.close(file)
