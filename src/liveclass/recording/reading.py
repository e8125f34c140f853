"""Segment files as those who catch up read them: a few fragments of one track at a time, while they are written.

Everything here blocks and belongs to a thread for reading. Knows neither streams nor the event loop.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from liveclass.recording.catchup import Piece, read_piece

# What one visit of a thread reads at most: some seconds of sound or of a small picture, one fragment of a large one.
VISIT_BYTES = 64 * 1024
# How many fragments one visit looks at: a segment without keyframes can be long.
_VISIT_PIECES = 64
# A fragment's header of ours is some 700 bytes, so that one read gets it.
_HEADER_READ = 4096
# No fragment of ours has more samples than fill this.
_MAX_HEADER = 1024 * 1024
_DAMAGED = "a recording's file is damaged"


def _open(paths: Sequence[Path]) -> int:
    for path in paths[:-1]:
        try:
            return os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
    return os.open(paths[-1], os.O_RDONLY)


def scan(paths: Sequence[Path], offset: int, end: int, track_id: int) -> tuple[list[tuple[int, Piece]], int]:
    """The pieces of a track between two places of a file, each with the place of its fragment; and where to go on."""
    file = _open(paths)
    try:
        return _scan_file(file, offset, end, track_id)
    finally:
        os.close(file)


def _scan_file(file: int, offset: int, end: int, track_id: int) -> tuple[list[tuple[int, Piece]], int]:
    pieces: list[tuple[int, Piece]] = []
    while offset + 8 <= end:
        head = os.pread(file, _HEADER_READ, offset)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if size < 8 or offset + size > end:
            raise OSError(_DAMAGED)
        if kind == b"moof":
            if len(pieces) >= _VISIT_PIECES:
                return pieces, offset
            if size > _MAX_HEADER:
                raise OSError(_DAMAGED)
            moof = head[:size] if size <= len(head) else os.pread(file, size, offset)
            try:
                piece = read_piece(moof, offset, track_id)
            except ValueError as error:
                raise OSError(_DAMAGED) from error
            if piece is not None:
                pieces.append((offset, piece))
        offset += size
    return pieces, end


def load(paths: Sequence[Path], offset: int, end: int, track_id: int) -> tuple[list[tuple[Piece, bytes]], int]:
    """As `scan`, with the samples' bytes: at least one piece where there is one, more as long as they are few."""
    file = _open(paths)
    try:
        pieces, following = _scan_file(file, offset, end, track_id)
        loaded: list[tuple[Piece, bytes]] = []
        size = 0
        for at, piece in pieces:
            if loaded and size + piece.size > VISIT_BYTES:
                return loaded, at
            size += piece.size
            loaded.append((piece, os.pread(file, piece.size, piece.data_at)))
        return loaded, following
    finally:
        os.close(file)
