"""What `_fanout.c` offers; its header comment is the contract."""

from collections.abc import Sequence
from typing import Any, final

from typing_extensions import Buffer

LIBCRYPTO: str

@final
class Protector:
    def __new__(cls, profile: str, key: Buffer, /) -> Protector: ...
    def protect(self, packet: Buffer, /) -> bytes | None: ...
    def remove_stream(self, ssrc: int, /) -> None: ...
    def close(self) -> None: ...

@final
class Ring:
    waiting: int
    segments: bool
    leaves_at: float
    full: int
    oversize: int
    partial: int
    calls: int
    def __new__(cls, fd: int, segments: bool, /) -> Ring: ...
    def forward(self, packets: Sequence[Any], entries: Sequence[Any], now: float, /) -> int: ...
    def flush(self) -> tuple[int, int, int]: ...
    def close(self) -> None: ...
